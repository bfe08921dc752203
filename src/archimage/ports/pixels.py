"""Work on pixels, as the services have it done; the adapter is `imaging`."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"


class PixelWork(Protocol):
    """Decodes, encodes and renders away from the server: what a codestream does to a decoder stays there."""

    def submit(
        self,
        task: str,
        options: Mapping[str, JsonValue],
        data: Sequence[bytes | memoryview],
        *,
        native_bytes: int | None = None,
    ) -> Future[tuple[dict[str, Any], bytes]]:
        """Have a task of `dicom.pixelwork` done; its data must stay as it is until then.

        native_bytes is the size of its frames when they are decoded: it has time in proportion; all of it if not known.

        The future raises what the task raised, and InvalidPixelDataError where it used up time or memory or crashed;
        `submit` itself raises UnavailableError when too many tasks wait.
        """

    def close(self) -> None:
        """End what is being done."""
