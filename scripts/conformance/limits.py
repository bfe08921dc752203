"""What the archive takes at most: the limits that hold for every peer."""

from collections.abc import Iterator

from archimage.config import Config
from archimage.dicom.limits import DEFAULT_LIMITS as DATA_SET
from archimage.dicom.limits import MAX_FRAME_BYTES
from archimage.dicom.render.options import MAX_PIXELS, MAX_SIDE
from archimage.services import identifiers, matching, qido, rendering, stow
from archimage.web import multipart_parser, protocol, receiving
from archimage.web.dicomweb import found, negotiation, parameters, resources, routes
from scripts.conformance.markdown import paragraph, table


def limits(config: Config) -> Iterator[str]:
    """Yield the limits."""
    yield "## Annex C Limits"
    yield paragraph("What is beyond a limit is refused with the status that its service has for it, never cut short.")
    yield "### Data sets"
    yield table(("what", "at most"), _shown(_data_sets()))
    yield "### Queries"
    yield table(("what", "at most"), _shown(_queries(config)))
    yield "### Pictures"
    yield table(("what", "at most"), _shown(_pictures(config)))
    yield "### Web requests"
    yield table(("what", "at most"), _shown(_web(config)))


def _shown(rows: Iterator[tuple[str, int | float | str]]) -> Iterator[tuple[str, str]]:
    for what, value in rows:
        yield what, value if isinstance(value, str) else f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"


def _data_sets() -> Iterator[tuple[str, int | float | str]]:
    yield "size of an object", "what the disk holds"
    yield "sequences inside one another", DATA_SET.max_depth
    yield "elements, items and fragments", DATA_SET.max_elements
    yield "one indexed value, or an offset table, bytes", DATA_SET.max_value_bytes
    yield "deflated data set, once inflated, bytes", DATA_SET.max_inflated_bytes
    yield "the same, times its deflated size", DATA_SET.max_inflate_ratio
    yield "one decoded frame, bytes", MAX_FRAME_BYTES


def _queries(config: Config) -> Iterator[tuple[str, int | float | str]]:
    yield "matches of one query (`query.max_results`)", config.query.max_results
    yield "keys of an identifier", identifiers.MAX_KEYS
    yield "sequences inside one another", identifiers.MAX_DEPTH
    yield "characters of one key", matching.MAX_KEY_LENGTH
    yield "values of one key", matching.MAX_VALUES
    yield "wildcards `*` of one key", matching.MAX_WILDCARDS
    yield "attributes of a web search", qido.MAX_FIELDS
    yield "attributes to sort by", qido.MAX_SORT_KEYS


def _pictures(config: Config) -> Iterator[tuple[str, int | float | str]]:
    yield "pixels of a side", MAX_SIDE
    yield "pixels in all", MAX_PIXELS
    yield "frames of a loop", rendering.MAX_LOOP_FRAMES
    yield "its frames as they are stored, bytes", rendering.MAX_LOOP_BYTES
    yield "frames in the address of a request", found.MAX_FRAMES
    yield "time for one frame, s (`pixels.timeout_s`)", config.pixels.timeout_s
    yield "memory of a worker process, bytes (`pixels.memory_bytes`)", config.pixels.memory_bytes


def _web(config: Config) -> Iterator[tuple[str, int | float | str]]:
    http = config.http
    yield "connections at once (`http.max_connections`)", http.max_connections
    yield "head of a request, bytes", protocol.MAX_HEAD_BYTES
    yield "headers", protocol.MAX_HEADERS
    yield "time for the head of a request, s (`http.request_timeout_s`)", http.request_timeout_s
    yield (
        f"time for every {receiving.REFILL_BYTES:,} bytes of its body, s (`http.request_timeout_s`)",
        (http.request_timeout_s),
    )
    yield "time a client may leave an answer unread, s (`http.send_timeout_s`)", http.send_timeout_s
    yield "segments of an address", routes.MAX_SEGMENTS
    yield "query string, bytes", parameters.MAX_QUERY_BYTES
    yield "query parameters", parameters.MAX_PARAMETERS
    yield "characters of Accept", negotiation.MAX_ACCEPT_LENGTH
    yield "media types in Accept", negotiation.MAX_RANGES
    yield "body of a request that stores nothing, bytes", resources.MAX_BODY_BYTES
    yield "body of a request that stores objects", "no limit"
    yield "its parts", multipart_parser.DEFAULT_LIMITS.max_parts
    yield "the headers of a part, bytes", multipart_parser.DEFAULT_LIMITS.max_header_bytes
    yield "its metadata in JSON or XML, bytes", stow.MAX_METADATA_BYTES
