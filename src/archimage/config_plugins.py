"""The settings of plugins: `plugins` of `config`."""

from pydantic import Field

from archimage.config_kinds import Count, Names, Seconds, Section


class PluginsConfig(Section):
    """Python plugins, each in processes of its own (docs/plugins.md)."""

    directory: str = Field(
        default="",
        description="Folder of plugins, `NAME.py` or `NAME/__init__.py`; relative to `storage.directory`; empty: none. "
        "Whoever may write there decides what is run.",
    )
    packages: Names = Field(
        default=(),
        description="Plugins of installed packages, by the names of their entry points in `archimage.plugins`; "
        "`*`: all of them.",
    )
    required: Names = Field(
        default=(),
        description="Plugins without whose answer no query and no association goes on, if they answer these: while "
        "such a plugin fails or is disabled, both are refused. Without any other plugin's they go on.",
    )
    study_complete_after_s: Seconds = Field(
        default=60.0, description="Time without a new object after which a study is complete, seconds."
    )
    timeout_s: Seconds = Field(
        default=60.0, description="Time for a hook that nobody waits for, after which its process is killed, seconds."
    )
    answer_timeout_s: float = Field(
        default=1.0,
        gt=0,
        le=30,
        description="Time for `on_query` and `on_association`, for which somebody waits, after which its process is "
        "killed, seconds.",
    )
    start_timeout_s: Seconds = Field(default=30.0, description="Time for loading a plugin, seconds.")
    memory_bytes: int = Field(
        default=1024 * 1024 * 1024,
        ge=256 * 1024 * 1024,
        description="Address space of a plugin's process, bytes; a plugin has up to two.",
    )
    failures_allowed: Count = Field(
        default=5, description="Failures in a row after which a plugin is disabled until somebody enables it again."
    )
    queue: Count = Field(
        default=1_000,
        description="Instances that a plugin may be behind; what comes then it is not told of, and that is counted.",
    )
