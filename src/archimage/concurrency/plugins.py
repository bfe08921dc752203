"""What plugins are bounded by."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.index import completeness as growing
from archimage.plugins import process, worker
from archimage.services import completeness, deliveries
from archimage.services.plugins import service, serving

_KILLED: Final = "The process is killed and replaced; the call counts as a failure of the plugin."
_LATER: Final = "The next look, a second later, goes on."

PLUGINS: Final = (
    Entry("plugins", "threads", "looks after plugins, in an archive that has any", "Each look waits for the last.", 1),
    Entry(
        "plugin-load",
        "threads",
        "load plugins, at the start and when a process was lost",
        "Plugins are loaded one after the other; who asks one waits, no longer than plugins.answer_timeout_s.",
        service.THREADS,
    ),
    Entry(
        "plugin-studies",
        "threads",
        "tell plugins of studies that are complete",
        "Studies wait in the index, as deliveries.",
        deliveries.THREADS,
    ),
    Entry(
        "plugin-completeness",
        "threads",
        "looks for studies that are complete",
        "Each look waits for the last.",
        1,
    ),
    Entry("telling a plugin", "threads", "tells one plugin of instances, one after the other", "They wait.", 1),
    Entry(
        "processes of a plugin",
        "processes",
        "run one plugin: one what somebody waits for, one all else",
        "Who asks waits for his turn, no longer than plugins.answer_timeout_s; what is told waits.",
        2,
    ),
    Entry(
        "instances for a plugin",
        "queue",
        "instances that one plugin is still to be told of",
        "It is not told of further ones, which is counted (`pacs_plugin_dropped_total`). Storing never waits for it.",
        setting="plugins.queue",
    ),
    Entry(
        "time of a hook",
        "limit",
        "how long a hook may take that nobody waits for",
        _KILLED,
        setting="plugins.timeout_s",
        unit="seconds",
    ),
    Entry(
        "time of an answer",
        "limit",
        "how long on_query and on_association may take",
        f"{_KILLED} The query or association goes on, unless the plugin is required.",
        setting="plugins.answer_timeout_s",
        unit="seconds",
    ),
    Entry(
        "time of loading",
        "limit",
        "how long a plugin may take to be loaded",
        _KILLED,
        setting="plugins.start_timeout_s",
        unit="seconds",
    ),
    Entry(
        "memory of a plugin",
        "limit",
        "address space of each of its processes; a quarter of it is what it may read of one object",
        _KILLED,
        setting="plugins.memory_bytes",
        unit="bytes",
    ),
    Entry(
        "answers of a hook",
        "limit",
        "labels, nodes and keys that one call answers",
        "The first are done.",
        process.MAX_ANSWERS,
    ),
    Entry(
        "length of a plugin's text",
        "limit",
        "characters of an answer, or of why a plugin cannot be loaded",
        "The rest is cut off.",
        worker.MAX_TEXT,
    ),
    Entry(
        "instances of a study for a plugin",
        "limit",
        "instances that a plugin is told of when it asks for those of a study",
        "It is told of the first.",
        serving.MAX_INSTANCES,
    ),
    Entry(
        "studies that grew, for plugins",
        "limit",
        "studies that grew and are noted in one look",
        _LATER,
        growing.PER_LOOK,
    ),
    Entry(
        "studies that are complete, for plugins",
        "limit",
        "studies of which plugins are to be told after one look",
        _LATER,
        completeness.PER_LOOK,
    ),
)
