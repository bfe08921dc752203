"""Where that is kept which all nodes must have in common: in files of the archive, or in the database that they share.

With an index on PostgreSQL there may be several nodes, each with a directory of its own: so what used to be a file is
kept in the index then. A file that is there when the index has nothing yet is taken over, once.
"""

from collections.abc import Callable
from functools import partial

from archimage.config import Config
from archimage.index.kept import KeptPolicy, KeptSecrets, KeptTexts
from archimage.index.relational import RelationalIndex
from archimage.ports.turns import TakeTurn
from archimage.services.access import PolicyText
from archimage.storage.lanes import Turn as FileTurn
from archimage.storage.policy import PolicyFile
from archimage.storage.secrets import has_secret, project_secret


def policy_of(config: Config, index: RelationalIndex) -> PolicyText:
    """Return what keeps the access policy.

    Raises:
        StorageError: it cannot be read.
    """
    file = PolicyFile(config.storage.directory / config.access.policy)
    if not config.index.url:
        return file
    kept = KeptPolicy(KeptTexts(index))
    if kept.read() is None and (text := file.read()) is not None:
        kept.begin_with(text)
    return kept


def secrets_of(config: Config, index: RelationalIndex) -> Callable[[str], bytes]:
    """Return what gives the secret of a project."""
    directory = config.storage.directory
    if not config.index.url:
        return partial(project_secret, directory)

    def had(project: str) -> bytes | None:
        return project_secret(directory, project) if has_secret(directory, project) else None

    return KeptSecrets(KeptTexts(index), had).secret_of


def turn_of(config: Config, name: str) -> TakeTurn:
    """Return what takes the turn of something that one process of the archive does at a time."""
    if not config.index.url:
        return partial(FileTurn.take, config.storage.directory / f"{name}.lock")
    from archimage.index.postgresql_turns import DatabaseTurn  # with its driver, which SQLite does without

    return partial(DatabaseTurn.take, config.index.url, config.index.password.get_secret_value(), name)
