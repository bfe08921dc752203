"""What nodes must have in common and no file of one machine can hold: the access policy, secrets of projects."""

import secrets
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import bindparam, select, update

from archimage.errors import StorageError
from archimage.index.nodes import Database
from archimage.index.schema_kept import kept_text
from archimage.model.projects import SECRET_BYTES, check_project, read_secret

POLICY: Final = "access policy"
OF_PROJECT: Final = "secret of project "


class KeptTexts:
    """Texts by their names."""

    def __init__(self, database: Database) -> None:
        self._database = database
        engine = database.dialect.engine
        named = kept_text.c.name == bindparam("named")
        self._one = str(select(kept_text.c.text).where(named).compile(dialect=engine))
        self._once = str(database.dialect.insert_once(kept_text).compile(dialect=engine))
        changed = update(kept_text).where(named).values(text=bindparam("text"), changed_at=bindparam("changed_at"))
        self._change = str(changed.compile(dialect=engine))

    def get(self, name: str) -> str | None:
        """Return a text, None where there is none of the name."""
        rows = self._database.fetch(self._one, {"named": name})
        return str(rows[0][0]) if rows else None

    def put(self, name: str, text: str) -> None:
        """Put a text in the place of that before, for every process."""
        self._write(name, text, replace=True)

    def once(self, name: str, text: str) -> str:
        """Keep a text unless there is one of the name; return the one that is kept: all who do so get the same."""
        self._write(name, text, replace=False)
        kept = self.get(name)
        return text if kept is None else kept

    def _write(self, name: str, text: str, *, replace: bool) -> None:
        now = time.time()
        with self._database.transaction() as cursor:
            cursor.execute(self._once, {"name": name, "text": text, "changed_at": now})
            if replace:
                cursor.execute(self._change, {"named": name, "text": text, "changed_at": now})
        self._database.sync()


class KeptPolicy:
    """The access policy of all nodes. Implements `services.access.PolicyText`."""

    def __init__(self, texts: KeptTexts) -> None:
        self._texts = texts

    def read(self) -> str | None:
        """Return it, None where there is none."""
        return self._texts.get(POLICY)

    def write(self, text: str) -> None:
        """Put another in its place."""
        self._texts.put(POLICY, text)

    def begin_with(self, text: str) -> None:
        """Keep a policy where there is none yet."""
        self._texts.once(POLICY, text)


class KeptSecrets:
    """Secrets of projects, the same on all nodes: a pseudonym does not depend on which of them made it."""

    def __init__(self, texts: KeptTexts, had: Callable[[str], bytes | None]) -> None:
        """Keep them; had returns the one that this node had before, None where it had none."""
        self._texts = texts
        self._had = had

    def secret_of(self, project: str) -> bytes:
        """Return the secret of a project; it is made, and kept for all, if there was none.

        Raises:
            InvalidRequestError: the name cannot be that of a project.
            StorageError: what is kept is damaged.
        """
        name = OF_PROJECT + check_project(project)
        text = self._texts.get(name)
        if text is None:
            text = self._texts.once(name, (self._had(project) or secrets.token_bytes(SECRET_BYTES)).hex())
        secret = read_secret(text)
        if secret is None:
            raise StorageError(
                f"the index holds no secret of project {project}",
                next_step="Restore the index from a backup; its pseudonyms depend on it.",
            )
        return secret
