"""The tracer of a process, as the settings want it."""

from archimage.config import Config
from archimage.errors import ConfigError
from archimage.spans import Tracer


def tracer(config: Config) -> Tracer:
    """Return what traces, or what does not; `close` it.

    Raises:
        ConfigError: what tracing needs is not installed.
    """
    settings = config.tracing
    if settings.exporter == "none":
        return Tracer()
    try:
        from archimage.observe.tracing import Tracing  # takes a while to import, and is not always installed
    except ImportError as error:
        raise ConfigError(
            f"tracing.exporter = otlp: {error.name} is not installed; pip install '.[tracing]', or set none"
        ) from None
    return Tracing(
        settings.endpoint,
        settings.sample,
        follow=settings.follow,
        service=settings.service,
        instance=config.dicom.ae_title,
    )
