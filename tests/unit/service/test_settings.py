import itertools
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ValidationError

from takt.cli import main
from takt.configuration import load_settings, unknown_variables, without_secrets
from takt.core.errors import ConfigurationError
from takt.declaration import each_once, heading_of, under
from takt.recording.settings import RecordSettings
from takt.settings import ENV_PREFIX, Settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The process's environment, in which no setting is given yet."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    monkeypatch.setattr(os, "environ", bare)
    return bare


ROOT = Path(__file__).parents[3]


def test_the_command_line_beats_the_environment_beats_the_file(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "takt.toml"
    file.write_text("port = 1\nmax_batch_size = 2\nmax_queue_size = 3\n")
    environment |= {"TAKT_PORT": "11", "TAKT_MAX_BATCH_SIZE": "12"}
    settings = load_settings({"port": 10, "max_batch_size": None}, config=file)
    assert (settings.port, settings.max_batch_size, settings.max_queue_size) == (10, 12, 3)
    assert settings.timeout_ms == Settings().timeout_ms


def test_the_environment_can_name_the_file(tmp_path: Path, environment: dict[str, str]) -> None:
    file = tmp_path / "takt.toml"
    file.write_text('host = "0.0.0.0"')
    environment["TAKT_CONFIG"] = str(file)
    assert load_settings().host == "0.0.0.0"


def test_lists_and_numbers_of_the_environment_are_read(environment: dict[str, str]) -> None:
    environment |= {"TAKT_PREFERRED_BATCH_SIZES": "1,2,4", "TAKT_CUDA_GRAPHS": "false"}
    settings = load_settings()
    assert (settings.preferred_batch_sizes, settings.cuda_graphs) == ((1, 2, 4), False)


def test_values_alone_make_settings_without_the_environment(environment: dict[str, str]) -> None:
    environment["TAKT_PORT"] = "11"
    assert Settings().port == 8000


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"port": 70000}, "setting port is 70000: .* less than or equal to 65535"),
        ({"log_level": "loud"}, "setting log_level is 'loud'"),
        ({"max_queue_delay_ms": float("inf")}, "setting max_queue_delay_ms is inf"),
        ({"drain_timeout_s": 1e300}, "setting drain_timeout_s is 1e"),
        ({"max_batch_size": -1}, "setting max_batch_size is -1"),
        ({"prot": 1}, "there is no setting 'prot'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load_settings(given)


@pytest.mark.parametrize(
    ("source", "old", "message"),
    [
        (source, old, message)
        for source in ("command line", "environment", "file")
        for old, message in (
            ("stream_origins", "stream_origins is now named allowed_origins"),
            ("provider", "provider is gone; use engine=cuda"),
        )
    ],
)
def test_an_old_name_is_an_error_that_says_what_to_do_instead(
    tmp_path: Path, environment: dict[str, str], source: str, old: str, message: str
) -> None:
    file = tmp_path / "takt.toml"
    file.write_text(f'{old} = "cuda"' if source == "file" else "")
    if source == "environment":
        environment[ENV_PREFIX + old.upper()] = "cuda"
    with pytest.raises(ConfigurationError, match=message):
        load_settings({old: "cuda"} if source == "command line" else {}, config=file)


def test_an_old_option_is_an_error_that_says_what_to_do_instead() -> None:
    told = CliRunner().invoke(main, ["serve", "--provider", "cuda"])
    assert (told.exit_code, "use engine=cuda" in told.output) == (1, True)


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot be read"), ("port = ", "is not TOML")]
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    file = tmp_path / "takt.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=re.escape(str(file)) + f".*{complaint}"):
        load_settings(config=file)


def test_kubernetes_own_variables_are_no_settings(environment: dict[str, str]) -> None:
    environment["TAKT_PORT"] = "tcp://10.0.0.1:8000"
    assert load_settings().port == Settings().port


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TAKT_MAX_QUEUE_DELAYMS", "TAKT_MAX_QUEUE_DELAY_MS"),
        ("TAKT_TIMEOUT", "TAKT_TIMEOUT_MS"),
        ("TAKT_BATCH_SIZE", "TAKT_MAX_BATCH_SIZE"),
        ("takt_log_levle", "TAKT_LOG_LEVEL"),
        ("TAKT_CONFIGS", "TAKT_CONFIG"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_told_with_the_one_that_is_meant(
    environment: dict[str, str], name: str, meant: str
) -> None:
    environment |= {name: "secret", "TAKT_PORT": "8000", "OTHER_PORT": "1"}
    (told,) = unknown_variables()
    assert told == f"{name} is no setting; did you mean {meant}?"


def test_a_variable_that_is_near_no_setting_is_told_as_well(environment: dict[str, str]) -> None:
    environment["TAKT_COLOUR"] = "4"
    (told,) = unknown_variables()
    assert told.startswith("TAKT_COLOUR is no setting and changes nothing; `takt serve --help`")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TAKT_SERVICE_HOST", "10.0.0.1"),
        ("TAKT_SERVICE_PORT", "8000"),
        ("TAKT_SERVICE_PORT_HTTP", "8000"),
        ("TAKT_PORT", "tcp://10.0.0.1:8000"),
        ("TAKT_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("TAKT_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("TAKT_LINE_3_SERVICE_HOST", "10.0.0.1"),
        ("TAKT_LINE_3_PORT", "tcp://10.0.0.1:8000"),
        ("TAKT_LINE_3_PORT_9090_UDP_PROTO", "udp"),
    ],
)
def test_what_kubernetes_sets_is_told_by_nobody(
    environment: dict[str, str], name: str, value: str
) -> None:
    environment[name] = value
    assert unknown_variables() == []


def test_names_with_commas_are_a_list(environment: dict[str, str], tmp_path: Path) -> None:
    environment["TAKT_PLUGINS"] = "rejects, archive,"
    assert load_settings().plugins == ("rejects", "archive")
    file = tmp_path / "takt.toml"
    file.write_text('plugins = ["audit"]')
    environment.clear()
    assert load_settings(config=file).plugins == ("audit",)
    assert Settings().plugins == ()


def test_the_variables_of_a_plugin_are_known_while_it_is_on(environment: dict[str, str]) -> None:
    environment |= {"TAKT_PLUGIN_LINE_3_FILE": "/var/rejects", "TAKT_PLUGIN_OTHER_URL": "x"}
    (told,) = unknown_variables(["line-3"])
    assert told.startswith("TAKT_PLUGIN_OTHER_URL is of no plugin that is on")
    assert len(unknown_variables()) == 2


def test_serve_warns_of_variables_that_are_no_settings(tmp_path: Path) -> None:
    # A folder that is named and missing ends it.
    command = ["serve", "--port", "0", "--repository", str(tmp_path / "missing")]
    told = CliRunner().invoke(main, command, env={"TAKT_LOGLEVEL": "debug"})
    assert "TAKT_LOGLEVEL is no setting; did you mean TAKT_LOG_LEVEL?" in told.output


def test_decoding_has_a_thread_for_each_core_unless_it_is_told() -> None:
    assert Settings().threads_for_decoding == Settings().cores
    assert Settings(decode_threads=5).threads_for_decoding == 5


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://takt:hidden@db/record",
        "postgresql://takt:a@hidden@db/record",
        "postgresql://takt:a/hidden@db/record",
        "postgresql://takt@db/record?password=hidden&sslmode=require",
        "postgresql://db/record?sslmode=require&sslpassword=hidden",
    ],
)
def test_no_secret_is_told(url: str) -> None:
    told = without_secrets(Settings(record=url, keys="hidden", port=1))
    assert told.keys() == Settings.model_fields.keys()
    assert "hidden" not in repr(told)
    assert told["record"].startswith("postgresql://") and "record" in told["record"]
    assert (told["keys"], told["port"]) == ("***", 1)
    assert without_secrets(Settings())["keys"] == ""


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_is_under_the_heading_of_those_around_it() -> None:
    headings = [heading_of(field) for field in Settings.model_fields.values()]
    assert len(set(headings)) == len([*itertools.groupby(headings)]) <= 10


def test_a_setting_that_two_parts_declare_is_refused() -> None:
    class Pages(BaseModel):
        data_folder: Path = under("Pages")(Path("pages"), "Folder of the pages.")

    with pytest.raises(TypeError, match="two parts of a server have a setting `data_folder`"):

        @each_once
        class Both(RecordSettings, Pages):
            pass


def test_a_part_that_declares_settings_has_them_beside_all_others() -> None:
    class Pages(BaseModel):
        page_folder: Path = under("Pages")(Path("pages"), "Folder of the pages.")

    @each_once
    class More(Pages, Settings):
        pass

    assert [*More.model_fields] == [*Settings.model_fields, "page_folder"]
    assert More(page_folder="elsewhere").page_folder == Path("elsewhere")
    with pytest.raises(ValidationError):
        More(page_folders="elsewhere")
