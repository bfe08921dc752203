"""All plugins of an archive: told of what happens, asked before something is done, and looked after.

What is kept of them is for all processes of the archive: each follows it within a second, so that a plugin that one
process disables is called by none, and one that somebody enables is loaded anew by all.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Final

from archimage.config_plugins import PluginsConfig
from archimage.errors import ArchimageError, NotAuthorisedError, NotFoundError, UnavailableError
from archimage.logger import logger
from archimage.model.associations import AskedAssociation
from archimage.model.events import InstanceStored, StudyRemoved
from archimage.model.jobs import Job
from archimage.model.plugins import PluginAnswer, PluginRecord, PluginSource, PluginStatus
from archimage.model.query import Query
from archimage.ports.meter import Meter
from archimage.ports.plugins import Event, PluginFault, PluginLoader, PluginRecords
from archimage.services.events import EventHub
from archimage.services.plugins import events
from archimage.services.plugins.acting import Acting
from archimage.services.plugins.plugin import Limits, Plugin, Result, Use
from archimage.services.plugins.ruled import ROUTED
from archimage.services.plugins.serving import Serving
from archimage.services.plugins.telling import Telling
from archimage.threads import ContextThreads

THREADS: Final = 4
"""Plugins that are loaded at once."""
LOOK_EVERY_S: Final = 1.0
_LACKS_HOOK: Final = "Write it, have the plugin loaded anew (`archimage plugins enable`), and try the job again."
DISABLED_BY_HAND: Final = "somebody disabled it"
_log: Final = logger("plugin")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What plugins stand among: how they are run, what they may ask for and do, and where it is kept how they fare."""

    loader: PluginLoader
    records: PluginRecords
    serving: Serving
    acting: Acting
    hub: EventHub


class PluginService:
    """Knows all plugins; safe to call from any thread. `close` it."""

    def __init__(self, sources: Sequence[PluginSource], settings: PluginsConfig, around: Surroundings) -> None:
        self._settings = settings
        self._around = around
        self.threads = ContextThreads(THREADS, "plugin-load")
        """Load plugins."""
        limits = Limits(
            settings.timeout_s, settings.answer_timeout_s, settings.start_timeout_s, settings.failures_allowed
        )
        self._plugins = {one.name: Plugin(one, around.loader, self.threads, limits) for one in sources}
        self._telling = {
            name: Telling(name, partial(self._tell, plugin), plugin.dropped, settings.queue)
            for name, plugin in self._plugins.items()
        }
        self.held: Callable[[str, bool], None] = lambda _name, _disabled: None
        """Hears whether a plugin is to wait for what it is told for certain."""
        self.told: Callable[[str], object] = lambda _what: None
        """Hears what somebody decided, in words."""
        self._last_event = around.hub.last
        self._ended = threading.Event()
        self._syncing = threading.Lock()
        self._looking = threading.Thread(target=self._look_on, name="plugins", daemon=True)
        self._register()

    def hear_of_hooks(self, hear: Callable[[str, frozenset[str]], None]) -> None:
        """Have somebody hear of the hooks of each plugin that is loaded, the first time or with others than before."""
        for name, plugin in self._plugins.items():
            plugin.news = partial(hear, name)

    def count_by(self, meter: Meter) -> None:
        """Have counted what they do."""
        for plugin in self._plugins.values():
            plugin.meter = meter

    @property
    def names(self) -> Sequence[str]:
        """The plugins there are."""
        return tuple(self._plugins)

    @property
    def waiting(self) -> int:
        """How much they are still to be told, of instances and of what was deleted."""
        return sum(telling.waiting for telling in self._telling.values())

    @property
    def disabled_count(self) -> int:
        """How many are disabled."""
        return sum(plugin.state == "disabled" for plugin in self._plugins.values())

    def start(self) -> None:
        """Have all of them loaded, and begin to look after them."""
        for plugin in self._plugins.values():
            plugin.start()
        self._looking.start()

    def close(self) -> None:
        """End all of them."""
        self._ended.set()
        for plugin in self._plugins.values():
            plugin.close()
        for telling in self._telling.values():
            telling.close()
        self.threads.shutdown(cancel_futures=True)
        if self._looking.is_alive():
            self._looking.join()

    def stored(self, event: InstanceStored) -> None:
        """Hear of an instance that was stored, on the thread of the intake: it only goes into queues."""
        wanting = self._wanting("on_instance_stored")
        if wanting:
            told = events.instance(event.record)
            for plugin in wanting:
                self._telling[plugin.name].add("on_instance_stored", told)

    def job_failed(self, job: Job) -> None:
        """Hear of a job that has failed for good, on the thread that worked on it: it only goes into queues."""
        for plugin in self._wanting("on_job_failed"):
            self._telling[plugin.name].add("on_job_failed", events.failed(job))

    def having(self, hook: str) -> Sequence[str]:
        """Return the plugins that have a hook, or may have it; those that are disabled are among them."""
        return [name for name, plugin in self._plugins.items() if plugin.may(hook)]

    def complete(self, name: str, event: Event) -> None:
        """Tell a plugin of a study that is complete.

        Raises:
            UnavailableError: it has not heard it.
        """
        plugin = self._plugins[name]
        if not plugin.may("on_study_complete"):
            return
        uid = event["study_instance_uid"]
        use = partial(self._around.acting.do, name, study=uid)
        try:
            plugin.call("on_study_complete", event, self._around.serving.answer, use)
        except PluginFault as fault:
            raise UnavailableError(f"the plugin {name} has not done it: {fault}") from None

    def hooks(self) -> Mapping[str, frozenset[str] | None]:
        """Return the hooks of each plugin as it was loaded here; None of one that was not yet."""
        return {name: plugin.loaded_hooks for name, plugin in self._plugins.items()}

    def route(self, name: str, event: Event) -> None:
        """Run a plugin's hook for what a rule of routing acts on.

        Raises:
            NotFoundError: there is no such plugin, or it has no such hook.
            UnavailableError: it has not done it.
        """
        plugin = self._plugins.get(name)
        if plugin is None:
            raise NotFoundError(f"no plugin {name!r} is there")
        instances = event["sop_instance_uids"] if event["on"] == "instance" else ()
        use = partial(self._around.acting.do, name, study=event["study"]["study_instance_uid"], instances=instances)
        try:
            if not plugin.lacks(ROUTED):
                plugin.call(ROUTED, event, self._around.serving.answer, use)
        except PluginFault as fault:
            raise UnavailableError(f"the plugin {name} has not done it: {fault}") from None
        if plugin.lacks(ROUTED):  # which is known once it was loaded
            raise NotFoundError(f"the plugin {name!r} has no hook {ROUTED}", next_step=_LACKS_HOOK)

    def review(self, door: str, query: Query) -> Query:
        """Return a query as plugins let it be made; blocks.

        Raises:
            NotAuthorisedError: one refuses it.
            UnavailableError: one that is required cannot be asked.
        """
        for plugin in self._asked("on_query"):
            narrowed = self._ask(plugin, "on_query", events.query(door, query), partial(_reviewed, plugin.name, query))
            query = query if narrowed is None else narrowed
        return query

    def vet(self, asked: AskedAssociation) -> str | None:
        """Return why a plugin refuses an association, None where none does; blocks.

        Raises:
            UnavailableError: one that is required cannot be asked.
        """
        for plugin in self._asked("on_association"):
            refused = self._ask(plugin, "on_association", asdict(asked), _refusal)
            if refused:
                return f"the plugin {plugin.name} refuses it: {refused}"
        return None

    def all(self) -> Sequence[PluginStatus]:
        """Tell how they fare, by name; blocks."""
        self.sync()
        records = {record.name: record for record in self._around.records.all()}
        return [self._status(plugin, records[name]) for name, plugin in sorted(self._plugins.items())]

    def get(self, name: str) -> PluginStatus:
        """Tell how one fares; NotFoundError where there is none."""
        found = next((status for status in self.all() if status.name == name), None)
        if found is None:
            raise NotFoundError(f"there is no plugin {name[:80]!r}")
        return found

    def enable(self, name: str) -> PluginStatus:
        """Have a plugin called again, loaded anew; NotFoundError where there is none."""
        self.get(name)
        self._around.records.enable(name)
        self.told(f"the plugin {name} was enabled")
        return self.get(name)

    def disable(self, name: str) -> PluginStatus:
        """Have a plugin called no more; NotFoundError where there is none."""
        self.get(name)
        self._around.records.disable(name, DISABLED_BY_HAND, time.time())
        self.told(f"the plugin {name} was disabled")
        return self.get(name)

    def check(self) -> Mapping[str, int]:
        """Tell how many there are, and do not work; UnavailableError where one that is required does not."""
        wrong = [one.name for one in self._plugins.values() if one.state in {"disabled", "broken"}]
        needed = [name for name in wrong if name in self._settings.required]
        if needed:
            raise UnavailableError(f"{', '.join(needed)}: required, and not called; /plugins says why")
        return {"plugins": len(self._plugins), "not_called": len(wrong), "waiting": self.waiting}

    def sync(self) -> None:
        """Keep what happened here, and follow what was decided elsewhere."""
        with self._syncing:
            for name, plugin in self._plugins.items():
                self._keep(name, plugin)
            for record in self._around.records.all():
                if (known := self._plugins.get(record.name)) is not None:
                    known.follow(record)
                    self.held(record.name, record.disabled_at is not None)

    def _register(self) -> None:
        """Begin with what is kept of them."""
        for plugin in self._plugins.values():
            self._around.records.register(plugin.name, plugin.source.target)
            plugin.disabled = self._disabled
        for record in self._around.records.all():
            if record.name in self._plugins:
                self._plugins[record.name].adopt(record)

    def _keep(self, name: str, plugin: Plugin) -> None:
        counted = plugin.take_counted()
        if counted.calls or counted.dropped:
            self._around.records.count(name, counted.calls, counted.failures, counted.dropped)
        if counted.failures and plugin.last_error_at is not None:
            self._around.records.failed(name, plugin.last_error, plugin.last_error_at)
        if plugin.take_hooks_changed():
            self._around.records.loaded(name, sorted(plugin.hooks or ()))

    def _disabled(self, name: str, reason: str) -> None:
        """Turn one off for all processes: it fails too often."""
        self.held(name, True)
        try:
            self._around.records.disable(name, reason, time.time())
        except ArchimageError as error:
            _log.warning("that a plugin is disabled could not be kept", plugin=name, reason=str(error))

    def _wanting(self, hook: str) -> list[Plugin]:
        return [plugin for plugin in self._plugins.values() if plugin.wants(hook)]

    def _asked(self, hook: str) -> list[Plugin]:
        """Return the plugins to be asked, and those that would have to be."""
        required = self._settings.required
        return [one for one in self._plugins.values() if one.wants(hook) or (one.name in required and one.may(hook))]

    def _ask(self, plugin: Plugin, hook: str, event: Event, use: Use[Result]) -> Result | None:
        try:
            return plugin.call(hook, event, self._around.serving.answer, use)
        except PluginFault as fault:
            if plugin.name in self._settings.required:
                raise UnavailableError(
                    f"the plugin {plugin.name}, which is required, cannot be asked: {fault}"
                ) from None
            return None

    def _tell(self, plugin: Plugin, hook: str, event: Event) -> None:
        """Tell a plugin of what came or went; what becomes of that is noted by the plugin itself."""
        study, instance = event["study_instance_uid"], event.get("sop_instance_uid", "")
        use = partial(self._around.acting.do, plugin.name, study=study, instances=(instance,) if instance else ())
        try:
            plugin.call(hook, event, self._around.serving.answer, use)
        except PluginFault as fault:
            if fault.outcome == "skipped":
                plugin.dropped()
        except ArchimageError as error:
            _log.error("what a plugin answered could not be done", plugin=plugin.name, reason=str(error))

    def _status(self, plugin: Plugin, record: PluginRecord) -> PluginStatus:
        return PluginStatus(
            name=plugin.name,
            source=plugin.source.target,
            state=plugin.state,
            hooks=sorted(plugin.hooks or ()),
            required=plugin.name in self._settings.required,
            calls=record.calls,
            failures=record.failures,
            failures_in_a_row=plugin.failures_in_a_row,
            dropped=record.dropped,
            waiting=self._telling[plugin.name].waiting,
            reason=record.reason,
            disabled_at=record.disabled_at,
            last_error=record.last_error,
            last_error_at=record.last_error_at,
        )

    def _look_on(self) -> None:
        while not self._ended.is_set():
            try:
                self.sync()
                self._tell_of_removed()
            except (ArchimageError, OSError) as error:
                _log.warning("how plugins fare is not kept, for now", reason=str(error))
            self._ended.wait(LOOK_EVERY_S)

    def _tell_of_removed(self) -> None:
        news = self._around.hub.since(self._last_event)
        self._last_event = news.last
        for told in news.told:
            if isinstance(told.event, StudyRemoved):
                for plugin in self._wanting("on_study_deleted"):
                    self._telling[plugin.name].add("on_study_deleted", events.removed(told.event))


def _reviewed(name: str, query: Query, answers: Sequence[PluginAnswer]) -> Query:
    """Return a query as a plugin wants it."""
    for answer in answers:
        if answer.kind == "refuse":
            raise NotAuthorisedError(f"the plugin {name} refuses the query: {answer.text}")
        try:
            query = replace(query, conditions=(*query.conditions, *events.narrowing(answer.keys or {})))
        except ValueError as error:
            raise PluginFault("invalid", str(error)) from None
    return query


def _refusal(answers: Sequence[PluginAnswer]) -> str | None:
    return next((answer.text or "without a reason" for answer in answers), None)
