"""What routing needs to know, to keep and to have done by others, as protocols; adapters live in `index` and `web`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.model.routing import Arrived, Mark, Routed, Rule


class Arrivals(Protocol):
    """Tells what came, whichever process stored it."""

    def studies_since(self, moment: float, limit: int) -> Sequence[tuple[str, float]]:
        """Return studies of which instances came at a moment or later, each with when its last one came."""

    def before(self, moment: float) -> int:
        """Return a number that is below those of all instances that came at a moment or later."""

    def newest(self, study_instance_uid: str) -> float:
        """Return when the last instance of a study came, 0 where nothing of it is kept."""

    def beyond(self, study_instance_uid: str, mark: Mark, limit: int) -> Sequence[Arrived]:
        """Return the instances of a study that came beyond a mark, in their order."""


class RoutedStudies(Protocol):
    """Keeps where rules stand with studies, for every process."""

    def looked(self) -> float | None:
        """Return up to when arrivals were looked at; None before the first time."""

    def look(self, moment: float) -> None:
        """Keep up to when they were looked at."""

    def get(self, rule: str, study_instance_uid: str) -> Routed | None:
        """Return how a rule stands with a study; None where it never had to do with it."""

    def begin(self, routed: Routed) -> Routed:
        """Keep a row unless there is one; return that which is kept."""

    def reach(self, rule: str, study_instance_uid: str, mark: Mark, instances: int, now: float) -> None:
        """Move the mark on, durably, and add to the instances that are done."""

    def tell(self, rule: str, study_instance_uid: str, state: str, error: str, now: float) -> None:
        """Note how it stands."""

    def assign(self, rule: str, study_instance_uid: str, job: int, now: float) -> None:
        """Note which job is to do the work."""

    def find(self, *, rule: str, study: str, state: str, limit: int) -> Sequence[Routed]:
        """Return those that changed last, of a rule, a study and a state where these are given."""

    def counts(self) -> Sequence[tuple[str, str, int, int]]:
        """Return rule, state, number of studies, and number of instances that are done."""

    def forget(self, changed_before: float) -> int:
        """Forget what is done and has not changed since."""


class FetchedFor(Protocol):
    """Keeps for which studies earlier ones are fetched, or were, for every process."""

    def looked(self) -> float | None:
        """Return up to when arrivals were looked at; None before the first time."""

    def look(self, moment: float) -> None:
        """Keep up to when they were looked at."""

    def is_done(self, study_instance_uid: str) -> bool:
        """Tell whether jobs were made because of a study."""

    def do(self, study_instance_uid: str, now: float) -> None:
        """Keep that they were."""

    def forget(self, before: float) -> int:
        """Forget what was done before."""


class Stow(Protocol):
    """Stores instances elsewhere by STOW-RS."""

    def __call__(
        self,
        address: str,
        instances: Sequence[StoredInstance],
        purpose: Purpose | None,
        transfer_syntax_uid: str,
        sent: Callable[[int], None],
    ) -> Mapping[str, str]:
        """Send them; return why some were not stored, by SOP Instance UID. sent hears how many are done.

        Raises PeerFailedError where it did not work at all, and what sent raises.
        """


class RuleHooks(Protocol):
    """Runs the hooks of plugins that rules name."""

    def check(self, rules: Sequence[Rule]) -> None:
        """Raise ConfigError where a rule names a plugin that is not there, or is known not to have the hook."""

    def run(self, name: str, rule: Rule, study_instance_uid: str, instances: Sequence[StoredInstance]) -> None:
        """Run a plugin's hook for what a rule acts on.

        Raises NotFoundError where there is no such plugin or hook, UnavailableError where it was not done.
        """
