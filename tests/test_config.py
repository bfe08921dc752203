"""Settings come from defaults, file, environment and flags, in this order, and errors name the setting."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from archimage.config import Config
from archimage.errors import ConfigError
from archimage.model.nodes import Login
from archimage.services.nodes import configured
from archimage.settings import load, parse_node


def test_defaults_listen_on_loopback_with_full_durability() -> None:
    config = load({}, {})
    assert (config.dicom.host, config.dicom.port, config.dicom.ae_title) == ("127.0.0.1", 11112, "PACS_SCP")
    assert (config.http.host, config.http.port) == ("127.0.0.1", 8042)
    assert config.storage.durability == "full"


def test_each_source_covers_the_one_below(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[dicom]\nport = 1\nae_title = 'FILE'\nworkers = 3\n[http]\nport = 2\n")
    environ = {"ARCHIMAGE__DICOM__PORT": "10", "ARCHIMAGE__DICOM__AE_TITLE": "ENV"}
    config = load({"dicom": {"port": 100}}, environ, file)
    assert (config.dicom.port, config.dicom.ae_title, config.dicom.workers, config.http.port) == (100, "ENV", 3, 2)


def test_the_file_is_found_through_the_environment_or_in_the_data_directory(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text("[http]\nport = 5\n")
    (tmp_path / "archimage.toml").write_text("[http]\nport = 6\n")
    assert load({}, {"ARCHIMAGE_CONFIG": str(named)}).http.port == 5
    assert load({"storage": {"directory": tmp_path}}, {}).http.port == 6
    assert load({}, {"ARCHIMAGE__STORAGE__DIRECTORY": str(tmp_path)}).http.port == 6


def test_compression_is_set_by_modality(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[storage.compress]\nct = "htj2k-lossless"\n"*" = "none"\n')
    assert load({}, {}, file).storage.compress == {"CT": "htj2k-lossless", "*": "none"}
    named = load({}, {"ARCHIMAGE__STORAGE__COMPRESS__MR": "rle-lossless"}, file).storage.compress
    assert named == {"CT": "htj2k-lossless", "*": "none", "MR": "rle-lossless"}
    assert load({}, {"ARCHIMAGE__STORAGE__COMPRESS": '{"*": "rle-lossless"}'}).storage.compress == {"*": "rle-lossless"}
    assert load({}, {}).storage.compress == {}


@pytest.mark.parametrize(
    ("rules", "named"),
    [({"CT": "jpeg"}, "storage.compress.CT.*htj2k-lossless"), ({"C/T": "none"}, "a modality is"), ("CT", "compress")],
)
def test_a_wrong_compression_is_refused(rules: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load({"storage": {"compress": rules}}, {})


def test_a_value_is_read_from_a_file_when_the_variable_says_so(tmp_path: Path) -> None:
    secret = tmp_path / "title"
    secret.write_text("HIDDEN\n")
    assert load({}, {"ARCHIMAGE__DICOM__AE_TITLE_FILE": str(secret)}).dicom.ae_title == "HIDDEN"
    with pytest.raises(ConfigError, match="ARCHIMAGE__DICOM__AE_TITLE_FILE"):
        load({}, {"ARCHIMAGE__DICOM__AE_TITLE_FILE": str(tmp_path / "absent")})


def test_lists_and_nodes_are_written_with_commas_in_the_environment() -> None:
    environ = {"ARCHIMAGE__DICOM__ALLOWED_CALLING_AE_TITLES": "CT1, MR1", "ARCHIMAGE__NODES": "A=host:104,b=[::1]:105"}
    config = load({}, environ)
    assert config.dicom.allowed_calling_ae_titles == ("CT1", "MR1")
    assert {title: (node.host, node.port) for title, node in config.nodes.items()} == {
        "A": ("host", 104),
        "b": ("::1", 105),
    }


def test_nodes_of_flags_environment_and_file_are_joined(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[nodes.ONE]\nhost = 'one'\nport = 1\n")
    config = load({"nodes": dict([parse_node("TWO=two:2")])}, {"ARCHIMAGE__NODES": "THREE=three:3"}, file)
    assert sorted(config.nodes) == ["ONE", "THREE", "TWO"]
    assert sorted(load({"nodes": {}}, {"ARCHIMAGE__NODES": "THREE=three:3"}, file).nodes) == ["ONE", "THREE"]


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"ARCHIMAGE__DICOM__PORT": "99999"}, ("dicom.port", "99999", "65535")),
        ({"ARCHIMAGE__DICOM__PORT": "many"}, ("dicom.port", "'many'", "integer")),
        ({"ARCHIMAGE__DICOM__AE_TITLE": "A\\B"}, ("dicom.ae_title", "backslash")),
        ({"ARCHIMAGE__DICOM__AE_TITLE": " "}, ("dicom.ae_title", "1 to 16")),
        ({"ARCHIMAGE__STORAGE__LAYOUT": "flat"}, ("storage.layout", "'flat'", "'uid' or 'date'")),
        ({"ARCHIMAGE__STORAGE__JOURNAL_LIMIT_BYTES": "99999999"}, ("storage.journal_segment_bytes",)),
        ({"ARCHIMAGE__DICOM__PROT": "1"}, ("dicom.prot", "not a setting")),
        ({"ARCHIMAGE__DICON__PORT": "1"}, ("ARCHIMAGE__DICON__PORT", "dicom, http")),
        ({"ARCHIMAGE__DICOM": "{"}, ("dicom",)),
        ({"ARCHIMAGE__NODES": "A=host"}, ("nodes", "AET=HOST:PORT")),
    ],
)
def test_a_wrong_value_is_told_with_its_setting_and_what_is_allowed(
    environ: dict[str, str], told: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environ)
    assert all(part in str(caught.value) for part in told), caught.value


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[dicom\n")
    with pytest.raises(ConfigError, match=r"broken\.toml is not TOML"):
        load({}, {}, broken)
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read"):
        load({}, {}, tmp_path / "absent.toml")


def test_a_config_cannot_be_changed_and_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIMAGE__DICOM__PORT", "7")
    config = Config()
    assert config.dicom.port == 11112
    with pytest.raises(ValidationError):
        config.dicom.port = 1


def test_a_node_s_passcode_comes_from_a_file_and_goes_with_tls_alone(tmp_path: Path) -> None:
    file, secret = tmp_path / "settings.toml", tmp_path / "passcode"
    secret.write_text("swordfish\n")
    file.write_text("[nodes.ARCHIVE2]\nhost = 'archive2.example'\nport = 2762\ntls = true\nuser = 'archive1'\n")
    config = load({}, {"ARCHIMAGE__NODES__ARCHIVE2__PASSCODE_FILE": str(secret)}, file)
    (node,) = configured(config.nodes)
    assert node.login == Login("archive1", "swordfish")
    assert "swordfish" not in repr(config) + repr(node) + config.model_dump_json()
    for changed in ({"tls": False}, {"user": ""}):
        with pytest.raises(ConfigError, match=r"nodes.ARCHIVE2.*a passcode needs a user") as refused:
            load({"nodes": {"ARCHIVE2": changed}}, {"ARCHIMAGE__NODES__ARCHIVE2__PASSCODE_FILE": str(secret)}, file)
        assert "swordfish" not in str(refused.value)


def test_tiers_are_read_and_their_secret_comes_from_a_file(tmp_path: Path) -> None:
    file, secret = tmp_path / "settings.toml", tmp_path / "secret"
    secret.write_text("swordfish\n")
    file.write_text("[tiers.warm]\ndirectory = '/mnt/warm'\n\n[tiers.cold]\nurl = 's3://bucket/cold'\nkey_id = 'A'\n")
    config = load({}, {"ARCHIMAGE__TIERS__COLD__SECRET_FILE": str(secret)}, file)
    assert (config.tiers["warm"].directory, config.tiers["cold"].bucket) == ("/mnt/warm", "bucket")
    assert config.tiers["cold"].secret.get_secret_value() == "swordfish"
    assert "swordfish" not in repr(config) + config.model_dump_json()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("[tiers.hot]\ndirectory = '/mnt/x'", "where objects come in"),
        ("[tiers.Warm]\ndirectory = '/mnt/x'", "tiers.Warm"),
        ("[tiers.warm]", "either a directory or a url"),
        ("[tiers.warm]\ndirectory = '/mnt/x'\nurl = 's3://b'", "either a directory or a url"),
        ("[tiers.warm]\ndirectory = 'x'", "absolute path"),
        ("[storage]\ndirectory = '/data'\n[tiers.warm]\ndirectory = '/data/objects/warm'", "place of its own"),
        ("[object_store]\nurl = 's3://b/pacs'\n[tiers.cold]\nurl = 's3://b/pacs/cold'", "prefix of its own"),
        ("[object_store]\nurl = 's3://b/pacs/hot'\n[tiers.cold]\nurl = 's3://b'", "prefix of its own"),
        ("[[retention.rule]]\nname = 'x'\naction = 'move'\nto = 'cold'\nunused_days = 1", "there is no such tier"),
    ],
)
def test_a_wrong_tier_is_told(tmp_path: Path, wrong: str, told: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(wrong)
    with pytest.raises(ConfigError, match=told):
        load({}, {}, file)


def test_tiers_beside_an_object_store_are_places_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[object_store]\nurl = 's3://b/pacs'\n[tiers.cold]\nurl = 's3://b/pacs-cold'\n")
    assert load({}, {}, file).tiers["cold"].prefix == "pacs-cold"
