"""Keys of find, move and get: from the command line to an identifier, and from a response to text."""

from collections.abc import Iterable, Iterator, Sequence

from archimage.errors import ConfigError, InvalidQueryError

_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


def check_level(level: str) -> str:
    """Return level in the standard's writing; raises ConfigError."""
    if level.upper() not in _LEVELS:
        raise ConfigError(f"-L {level}: PATIENT, STUDY, SERIES or IMAGE is allowed")
    return level.upper()


def check_model(model: str) -> str:
    """Return model in lower case; raises ConfigError."""
    if model.lower() not in {"patient", "study"}:
        raise ConfigError(f"--model {model}: patient or study is allowed")
    return model.lower()


def identifier(level: str, keys: Iterable[str], shown: Iterable[str], transfer_syntax_uid: str) -> bytes:
    """Encode the identifier of a query: keys as `name=value` or `name`, and shown as empty ones.

    Raises:
        ConfigError: a key is no attribute, or its value does not fit it.
    """
    from archimage.services.keys import encode_keys

    try:
        return encode_keys(level, _pairs((*shown, *keys)), transfer_syntax_uid)
    except InvalidQueryError as error:
        raise ConfigError(f"-k {error}") from None


def shown_at(level: str) -> Sequence[str]:
    """Return what is asked for at a level, whatever else is."""
    from archimage.services.keys import SHOWN

    return SHOWN[level]


def _pairs(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    for key in keys:
        name, _, value = key.partition("=")
        yield name, value


def plain(identifier: bytes, transfer_syntax_uid: str) -> dict[str, object]:
    """Decode a response's identifier into keyword (or `ggggeeee`) to text, list of texts, or list of the same."""
    from archimage.services.keys import decode_keys

    return decode_keys(identifier, transfer_syntax_uid)
