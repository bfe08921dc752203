"""Every setting tells where it came from, whichever source won; secrets tell only that they are there."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr

from archimage.config import Config, NodeConfig
from archimage.config_kinds import Section
from archimage.errors import ConfigError
from archimage.settings import FLAGS, Setting, listed, load, parse_node

_PREFIX = "ARCHIMAGE__"


def told(config: Config) -> dict[str, Setting]:
    """Return what is listed, by name."""
    return {setting.name: setting for setting in listed(config)}


def origin(config: Config, name: str) -> tuple[Any, str, str]:
    """Return value, kind of source and its name."""
    setting = told(config)[name]
    return setting.value, setting.source, setting.source_name


def test_what_nobody_set_is_the_default() -> None:
    config = load({}, {})
    assert {setting.source for setting in listed(config)} == {"default"}
    assert all(setting.value == setting.default and setting.description for setting in listed(config))
    assert told(config)["storage.directory"].default == "data"


def test_the_source_that_wins_is_told_at_each_step(tmp_path: Path) -> None:
    file, secret = tmp_path / "settings.toml", tmp_path / "port"
    file.write_text("[dicom]\nport = 1\n")
    secret.write_text("3\n")
    in_environment, in_file = f"{_PREFIX}DICOM__PORT", f"{_PREFIX}DICOM__PORT_FILE"
    assert origin(load({}, {}, file), "dicom.port") == (1, "file", str(file))
    assert origin(load({}, {in_environment: "2"}, file), "dicom.port") == (2, "environment", in_environment)
    assert origin(load({}, {in_file: str(secret)}, file), "dicom.port") == (3, "variable-file", in_file)
    flags = {"dicom": {"port": 4}}
    assert origin(load(flags, {in_environment: "2"}, file), "dicom.port") == (4, "flag", "--dicom-port")
    assert origin(load(flags, {in_environment: "2"}, file), "dicom.host") == ("127.0.0.1", "default", "")


def test_a_value_that_is_the_default_is_not_said_to_come_from_nowhere(tmp_path: Path) -> None:
    assert origin(load({}, {f"{_PREFIX}DICOM__PORT": "11112"}), "dicom.port")[1] == "environment"


def test_the_file_of_the_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "archimage.toml").write_text("[http]\nport = 6\n")
    config = load({"storage": {"directory": tmp_path}}, {})
    assert origin(config, "http.port") == (6, "file", str(tmp_path / "archimage.toml"))
    assert origin(config, "storage.directory") == (str(tmp_path), "flag", "--data")


def test_a_variable_of_a_setting_stands_above_that_of_its_section() -> None:
    environ = {f"{_PREFIX}DICOM__PORT": "2", f"{_PREFIX}DICOM": '{"port": 1, "workers": 3}'}
    for variables in (environ, dict(reversed(environ.items()))):
        config = load({}, variables)
        assert origin(config, "dicom.port") == (2, "environment", f"{_PREFIX}DICOM__PORT")
        assert origin(config, "dicom.workers") == (3, "environment", f"{_PREFIX}DICOM")


def test_nodes_of_every_source_tell_theirs(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[nodes.ONE]\nhost = 'one'\nport = 1\n[nodes.' TWO ']\nhost = 'old'\nport = 2\n")
    environ = {f"{_PREFIX}NODES": "TWO=two:22,A.B=three:3"}
    config = load({"nodes": dict([parse_node("ONE=uno:11")])}, environ, file)
    assert origin(config, "nodes.ONE.host") == ("uno", "flag", "--node")
    assert origin(config, "nodes.TWO.port") == (22, "environment", f"{_PREFIX}NODES")
    assert origin(config, 'nodes."A.B".host')[0] == "three"
    assert told(config)["nodes.ONE.port"].description == NodeConfig.model_fields["port"].description
    assert origin(load({}, {}, file), "nodes.TWO.host") == ("old", "file", str(file))
    assert origin(load({}, {}), "nodes") == ({}, "default", "")


def test_compression_tells_its_source_by_modality(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[storage.compress]\nct = "htj2k-lossless"\nMR = "none"\n"*" = "none"\n')
    variable = f"{_PREFIX}STORAGE__COMPRESS__MR"
    config = load({}, {variable: "rle-lossless"}, file)
    assert origin(config, "storage.compress.CT") == ("htj2k-lossless", "file", str(file))
    assert origin(config, "storage.compress.MR") == ("rle-lossless", "environment", variable)
    assert origin(config, 'storage.compress."*"') == ("none", "file", str(file))
    assert told(config)["storage.compress.CT"].default is None


def test_a_worker_that_is_given_the_ports_tells_what_was_set() -> None:
    config = load({"dicom": {"port": 0}}, {})
    worker = pickle.loads(pickle.dumps(config.with_ports(40_001, 40_003, 40_002)))  # noqa: S301 - how workers get theirs
    assert (worker.dicom.port, worker.dicom.tls_port, worker.http.port) == (40_001, 40_003, 40_002)
    assert origin(worker, "dicom.port") == (0, "flag", "--dicom-port")
    assert origin(worker, "http.port") == (8042, "default", "")


def test_every_flag_is_one_of_serve() -> None:
    import typer

    from archimage.cli.main import app

    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    options = {option for parameter in serve.params for option in parameter.opts}
    assert set(FLAGS.values()) <= options
    assert options - set(FLAGS.values()) == {"--config"}


class _Sealed(Section):
    """A section with secrets, as later ones may be."""

    password: SecretStr = Field(default=SecretStr(""), min_length=4, description="Nobody may read it.")
    keys: tuple[SecretStr, ...] = Field(default=(), description="Nor these.")
    level: int = Field(default=1, description="Everybody may.")


class _SealedConfig(Config):
    sealed: _Sealed = _Sealed()


def test_secrets_are_masked_because_of_their_type(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("swordfish\n")
    variable = f"{_PREFIX}SEALED__PASSWORD_FILE"
    flags = {"sealed": {"keys": ["opensesame"]}}
    config = load(flags, {variable: str(secret), f"{_PREFIX}SEALED__LEVEL": "7"}, model=_SealedConfig)
    assert isinstance(config, _SealedConfig)
    assert config.sealed.password.get_secret_value() == "swordfish"
    found = told(config)
    assert (found["sealed.password"].value, found["sealed.password"].default) == ("**********", "")
    assert found["sealed.password"].secret
    assert found["sealed.keys"].secret
    assert (found["sealed.level"].secret, found["sealed.level"].value) == (False, 7)
    assert found["sealed.password"].source_name == variable
    assert "swordfish" not in repr(found)
    assert "opensesame" not in repr(found)


@pytest.mark.parametrize("environ", [{f"{_PREFIX}SEALED__PASSWORD": "abc"}, {f"{_PREFIX}SEALED__KEYS": '["abc", 5]'}])
def test_a_wrong_secret_is_not_told_back(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="sealed") as caught:
        load({}, environ, model=_SealedConfig)
    assert "abc" not in str(caught.value)
    assert "5" not in str(caught.value)
