"""What giving other archives what came, and taking from them, may cost."""

from typing import Final

from archimage.automation.routing import MOST_AT_ONCE
from archimage.concurrency.entry import Entry
from archimage.config import Config
from archimage.services import routing, routing_work
from archimage.web import stow_client, web_archive


def _route_threads(config: Config) -> float:
    return min(MOST_AT_ONCE, config.routing.associations * config.routing.at_once)


EXCHANGE: Final = (
    Entry(
        "route",
        "threads",
        "sending for rules of routing, one for each association",
        "Shares of a job wait for one; further jobs wait in the index.",
        _route_threads,
        formula="`routing.associations` times `routing.at_once`, at most 64",
    ),
    Entry("routing", "threads", "finds what rules have to do, and makes jobs of it", "It is found a little later.", 1),
    Entry("prefetch", "threads", "makes jobs that fetch earlier studies", "They are made a little later.", 1),
    Entry(
        "objects to route",
        "queue",
        "studies of objects that came, until the thread of routing has noted them",
        "It has no bound: an entry is a UID and a time, and looking at it takes microseconds.",
    ),
    Entry(
        "arrived studies",
        "queue",
        "studies of which the first object came, until jobs are made that fetch earlier ones",
        "It has no bound: an entry is three short texts. What is left when the process ends is found by the next.",
    ),
    Entry(
        "studies looked for at once",
        "limit",
        "studies with something new, as rules of routing look for them",
        "The next look goes on with the rest.",
        routing.MAX_STUDIES,
    ),
    Entry(
        "objects of a step",
        "limit",
        "objects that a job of routing sends before it is kept how far it is",
        "The next step goes on with the rest.",
        routing_work.BATCH,
    ),
    Entry(
        "objects stored elsewhere at once",
        "limit",
        "objects that a rule stores elsewhere by one request",
        "The next request brings the rest.",
        stow_client.MAX_INSTANCES,
    ),
    Entry(
        "bytes stored elsewhere at once",
        "limit",
        "what a rule stores elsewhere by one request, unless a single object is larger",
        "The next request brings the rest.",
        stow_client.MAX_BYTES,
        unit="bytes",
    ),
    Entry(
        "matches of a page",
        "limit",
        "matches that another archive is asked for at once over the web",
        "The next request brings the rest.",
        web_archive.PER_PAGE,
    ),
    Entry(
        "bytes of a page",
        "limit",
        "what another archive may answer to one search over the web",
        "The comparison fails, and says so.",
        web_archive.MAX_PAGE_BYTES,
        unit="bytes",
    ),
    Entry(
        "objects taken over the web at once",
        "limit",
        "objects of another archive that are being kept at once, for each study that is brought",
        "What comes next is read once one of them is kept.",
        web_archive.AT_ONCE,
    ),
)
