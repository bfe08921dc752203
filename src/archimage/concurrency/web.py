"""What a client of the HTTP port may cost."""

from typing import Final

from archimage.concurrency.entry import Entry, unless_zero
from archimage.services import catalogue, change_plans, labels, nodes, qido, rendering, stow, tags, uploads, ups_rules
from archimage.services import deletion as deleting
from archimage.services import peers as asking
from archimage.services.sources import ZipLimits
from archimage.web import management, multipart_parser, protocol, receiving, sockets
from archimage.web.api import nodes as retrieving
from archimage.web.api import parameters as listing
from archimage.web.dicomweb import (
    chosen,
    found,
    negotiation,
    parameters,
    presentation,
    resources,
    routes,
    subscribers,
    workitems,
)
from archimage.web.orthanc import calls, instances
from archimage.web.pages import application as pages

_LIMITS: Final = protocol.HttpLimits()
_ZIP: Final = ZipLimits()
_TOO_LARGE: Final = "Answered 413."
_WRONG: Final = "Answered 400."

CONNECTIONS: Final = (
    Entry(
        "HTTP connections",
        "limit",
        "connections that are open, whatever they do",
        "While so many are open, every request is answered 503 with Retry-After, and its connection closed: probes, "
        "pages and this report too.",
        setting="http.max_connections",
    ),
    Entry(
        "WebSockets",
        "limit",
        "subscribers of work items who are connected to this process",
        "The handshake is answered 503 with Retry-After.",
        subscribers.MAX_SOCKETS,
    ),
    Entry(
        "message of a WebSocket",
        "limit",
        "what a client may send in one message, of which nothing is made",
        "The connection is closed, with code 1009.",
        sockets.MAX_MESSAGE_BYTES,
        unit="bytes",
    ),
    Entry(
        "work item",
        "limit",
        "what a work item may grow to, as JSON; a request brings 1 MiB at most",
        "Refused: 0x0213 over DIMSE, 507 over the web.",
        ups_rules.MAX_MODEL_BYTES,
        unit="bytes",
    ),
    Entry(
        "work items of a search",
        "limit",
        "results of one search over the web",
        "A Warning tells that there are more; `offset` leads on.",
        workitems.MAX_RESULTS,
    ),
    Entry(
        "requests of one user",
        "limit",
        "web requests each second of one user, or of an address where nobody has logged in; ten seconds' worth at once",
        "Answered 429 with Retry-After.",
        unless_zero("access", "requests_per_s"),
        "access.requests_per_s",
    ),
    Entry(
        "head of a request",
        "limit",
        "time for the head of a request, and for as much of its body as the next row says",
        "Answered 408; a connection on which nothing came is closed.",
        setting="http.request_timeout_s",
        unit="seconds",
    ),
    Entry(
        "pace of a body",
        "limit",
        "bytes of a body that have to come in that time",
        "Answered 408.",
        receiving.REFILL_BYTES,
        unit="bytes",
    ),
    Entry(
        "wait for a client",
        "limit",
        "time that a client may leave an answer unread",
        "The connection is cut.",
        setting="http.send_timeout_s",
        unit="seconds",
    ),
    Entry(
        "idle connection",
        "limit",
        "time between two requests of a connection",
        "The connection is closed.",
        _LIMITS.keep_alive_timeout_s,
        unit="seconds",
    ),
    Entry("headers", "limit", "headers of a request", _WRONG, protocol.MAX_HEADERS),
    Entry("bytes of a head", "limit", "address and headers", "Answered 431.", protocol.MAX_HEAD_BYTES, unit="bytes"),
    Entry("query", "limit", "length of what follows the `?`", _TOO_LARGE, parameters.MAX_QUERY_BYTES, unit="bytes"),
    Entry(
        "query parameters", "limit", "parameters of DICOMweb and Orthanc's paths", _TOO_LARGE, parameters.MAX_PARAMETERS
    ),
    Entry("segments of an address", "limit", "segments of a DICOMweb address", "Answered 404.", routes.MAX_SEGMENTS),
    Entry("Accept", "limit", "characters of the header", _TOO_LARGE, negotiation.MAX_ACCEPT_LENGTH),
    Entry("media types of Accept", "limit", "media types that it names", _TOO_LARGE, negotiation.MAX_RANGES),
    Entry(
        "boundary",
        "limit",
        "length of the boundary of a multipart body",
        _WRONG,
        multipart_parser.MAX_BOUNDARY_BYTES,
        unit="bytes",
    ),
)

BODIES: Final = (
    Entry(
        "body of a DICOMweb request",
        "limit",
        "any but that of STOW-RS, for which there is only the room on the disk",
        "Answered 413, and the connection closed.",
        resources.MAX_BODY_BYTES,
        unit="bytes",
    ),
    Entry(
        "body for the management API",
        "limit",
        "any but that of /api/v1/upload, for which there is only the room on the disk",
        "Answered 413, and the connection closed.",
        management.MAX_BODY_BYTES,
        unit="bytes",
    ),
    Entry(
        "body of an Orthanc call",
        "limit",
        "any but that of POST /instances, for which there is only the room on the disk",
        "Answered 413, and the connection closed.",
        calls.MAX_BODY_BYTES,
        unit="bytes",
    ),
    Entry(
        "metadata of a STOW request",
        "limit",
        "JSON or XML, where bulk data come beside it",
        _TOO_LARGE,
        stow.MAX_METADATA_BYTES,
        unit="bytes",
    ),
    Entry(
        "refused part of a STOW request",
        "limit",
        "objects that are found wrong and are read over",
        f"{_TOO_LARGE} Objects that were stored before stay.",
        stow.MAX_REFUSED_BYTES,
        unit="bytes",
    ),
    Entry(
        "ZIP archive unpacked at once",
        "limit",
        "length of an archive whose members' fates are told in the answer",
        "A larger one is unpacked by a task; the answer is 202 and names it.",
        uploads.AT_ONCE_BYTES,
        unit="bytes",
    ),
    Entry(
        "members of an archive unpacked at once",
        "limit",
        "members of such an archive",
        "The archive is refused.",
        uploads.MEMBERS_AT_ONCE,
    ),
    Entry(
        "members of an archive",
        "limit",
        "members of an archive that a task unpacks",
        "The archive is refused.",
        _ZIP.members,
    ),
    Entry(
        "ratio of an archive",
        "limit",
        "inflated to packed bytes, of a member and of all",
        "The member is refused; the others are taken.",
        _ZIP.ratio,
    ),
)

REQUESTS: Final = (
    Entry("frames of a request", "limit", "frames that one request lists", _WRONG, found.MAX_FRAMES),
    Entry("studies of an archive", "limit", "studies that one ZIP archive is to hold", _TOO_LARGE, chosen.MAX_STUDIES),
    Entry("attributes of a search", "limit", "attributes to match and to return", _WRONG, qido.MAX_FIELDS),
    Entry("sort keys of a search", "limit", "attributes to sort by", _WRONG, qido.MAX_SORT_KEYS),
    Entry(
        "frames of an animation", "limit", "frames that are made into one GIF", _TOO_LARGE, rendering.MAX_LOOP_FRAMES
    ),
    Entry(
        "bytes of an animation",
        "limit",
        "the same frames as they are stored",
        _TOO_LARGE,
        rendering.MAX_LOOP_BYTES,
        unit="bytes",
    ),
    Entry(
        "presentation state",
        "limit",
        "length of a presentation state that is applied",
        "Answered 406.",
        presentation.MOST_BYTES,
        unit="bytes",
    ),
    Entry("rows of a list", "limit", "rows of one answer of the management API", _WRONG, listing.MAX_LIMIT),
    Entry(
        "words of a search", "limit", "characters of what is looked for in the study list", _WRONG, catalogue.MAX_TEXT
    ),
    Entry(
        "tags",
        "limit",
        "length of the metadata of an instance whose tags are shown",
        f"{_TOO_LARGE} DICOMweb gives them.",
        tags.MAX_BYTES,
        unit="bytes",
    ),
    Entry(
        "objects deleted at once",
        "limit",
        "objects that go before a request of the management API is answered",
        "More are deleted by a task; the answer names it.",
        deleting.AT_ONCE,
    ),
    Entry("studies of a change", "limit", "studies that one change is about", _TOO_LARGE, change_plans.MAX_STUDIES),
    Entry(
        "series of a page",
        "limit",
        "series that a study's page and the viewer show",
        "The others are not shown; DICOMweb and the management API list them.",
        pages.MAX_SERIES,
    ),
    Entry(
        "header of an Orthanc call",
        "limit",
        "length of a header whose tags are told",
        _TOO_LARGE,
        instances.MAX_HEADER_BYTES,
        unit="bytes",
    ),
    Entry("labels of a study", "limit", "labels that a study may have", "Answered 404.", labels.MAX_LABELS),
    Entry("length of a label", "limit", "characters", _WRONG, labels.MAX_LENGTH),
    Entry(
        "nodes",
        "limit",
        "nodes that are entered at run time",
        "Answered 507; remove one first.",
        nodes.MAX_NODES,
        shared=True,
    ),
    Entry("keys for a node", "limit", "keys of a search at a node", _WRONG, asking.MAX_KEYS),
    Entry("UIDs for a node", "limit", "UIDs of what is brought from a node", _WRONG, retrieving.MAX_UIDS),
)
