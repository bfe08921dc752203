"""Legal holds: studies of which nothing may go or change until somebody says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hold:
    """That a study is on legal hold: who has placed it, why, and since when, seconds since 1970, UTC."""

    study_instance_uid: str
    placed_by: str
    reason: str
    since: float
