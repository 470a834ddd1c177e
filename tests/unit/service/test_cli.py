import importlib.metadata
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from takt.cli import OF_PLUGINS, OF_TRAIN, main
from takt.core.distribution import DISTRIBUTION, EXPORT, install_hint
from takt.core.plugins import KINDS
from takt.settings import ENV_PREFIX, Settings
from tests.conftest import InstallPlugins
from tests.tree import DISTRIBUTIONS, declared


def test_help_tells_every_setting_with_its_variable() -> None:
    result = CliRunner().invoke(main, ["serve", "--help"], terminal_width=200)
    assert result.exit_code == 0
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in result.output
        assert ENV_PREFIX + name.upper() in result.output


@pytest.mark.parametrize(
    ("option", "unit", "default"),
    [
        ("timeout-ms", "MILLISECONDS", "30000; x>0"),
        ("drain-timeout-s", "SECONDS", "30; 0<=x<=86400"),
        ("max-image-bytes", "BYTES", "67108864; x>=1"),
        ("max-memory-mb", "MIB", "0; x>=0"),
        ("log-level", "[debug|info|warning|error]", "info"),
        ("preferred-batch-sizes", "N,N,…", "none"),
        ("plugins", "NAME,NAME,…", "none"),
        ("metrics-port", "INTEGER", "none; 0<=x<=65535"),
        ("keys-file", "PATH", "none"),
        ("docs / --no-docs", "", "on"),
        ("insecure / --no-insecure", "", "off"),
    ],
)
def test_help_tells_unit_and_default(option: str, unit: str, default: str) -> None:
    helped = " ".join(CliRunner().invoke(main, ["serve", "--help"]).output.split())
    (found,) = re.findall(
        rf" --{re.escape(f'{option} {unit}'.strip())} .*?\[env var: .*?\]", helped
    )
    assert found.endswith(f"; default: {default}]")


@pytest.mark.parametrize("columns", [80, 120])
def test_help_has_settings_under_headings_and_is_as_wide_as_the_terminal(columns: int) -> None:
    lines = subprocess.run(
        [sys.executable, "-c", "import takt.cli; takt.cli.main(['serve', '--help'])"],
        env=os.environ | {"COLUMNS": str(columns)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert columns - 10 < max(map(len, lines)) <= columns
    headings = [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Options", "Models", "Listening", "Access", "Engines", "Batching and load", "Pictures",
        "Streams", "Record", "Observing", "Outlets and plugins",
    ]  # fmt: skip
    assert (
        lines.index("Listening:")
        < lines.index(next(line for line in lines if line.startswith("  --port ")))
        < lines.index("Access:")
    )


def test_help_tells_choices_and_bounds_which_are_checked() -> None:
    helped = CliRunner().invoke(main, ["serve", "--help"], terminal_width=200).output
    assert "--log-format [text|json]" in helped
    assert re.search(r"--port INTEGER .*; default: 8000; 0<=x<=65535\]", helped)
    assert "--engine-cache PATH" in helped
    for option, value in (("--log-format", "xml"), ("--port", "65536"), ("--timeout-ms", "0")):
        refused = CliRunner().invoke(main, ["serve", option, value])
        assert refused.exit_code == 2
        assert f"Invalid value for '{option}'" in refused.output


@pytest.mark.parametrize(
    "command",
    ["learn", "export onnx", "import onnx", "calibrate", "fit efficientad", "replay", "records"],
)
def test_help_of_a_command_with_many_options_has_them_under_headings_in_one_column(
    command: str,
) -> None:
    helped = CliRunner().invoke(main, [*command.split(), "--help"]).output
    sections = helped.partition("\nOptions:\n")[2].partition("\nCommands:\n")[0]
    assert len(re.findall(r"^\S.*:$", sections, re.MULTILINE)) >= 1
    rows = re.findall(r"^  -(?:.*?\S)  +(?=\S)", sections, re.MULTILINE)
    assert len(rows) > 12 and len({len(row) for row in rows}) == 1


def test_the_offline_commands_are_found_through_entry_points() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for command in ("serve", "fit", "export", "import", "inspect-checkpoint", "verify", "eval"):
        assert f"\n  {command}" in result.output


def test_an_offline_command_on_a_server_install_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    found = importlib.metadata.entry_points(group="takt.commands")

    def entry_points(group: str, name: str | None = None) -> object:
        return [SimpleNamespace(load=load, dist=None)] if name else found

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0
    result = CliRunner().invoke(main, ["fit", "--help"])
    assert result.exit_code == 1
    assert "`takt fit` needs torch" in result.output
    assert install_hint("train") in " ".join(result.output.split())


def test_a_command_of_a_distribution_that_is_not_installed_names_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    select = importlib.metadata.entry_points

    def of_others(**selected: str) -> importlib.metadata.EntryPoints:
        found = select(**selected)
        return importlib.metadata.EntryPoints(
            one for one in found if not one.value.startswith(("takt_export.", "takt_station."))
        )

    monkeypatch.setattr(importlib.metadata, "entry_points", of_others)
    assert f"{'learn':<20}Not installed; pip install" in CliRunner().invoke(main, ["--help"]).output
    refused = CliRunner().invoke(main, ["learn", "good", "--model", "part"])
    assert refused.exit_code == 1
    assert f"`takt learn` comes with `{install_hint('train')}`" in refused.output
    assert set(OF_TRAIN) == set(declared("takt-export")["entry-points"]["takt.commands"])
    refused = CliRunner().invoke(main, ["simulate", "--parts", "5"])
    assert refused.exit_code == 1
    assert "`takt simulate` comes with `pip install takt-station`" in refused.output
    brought = {
        command: name
        for name in DISTRIBUTIONS
        if name not in (DISTRIBUTION, EXPORT)
        for command in declared(name).get("entry-points", {}).get("takt.commands", {})
    }
    assert brought == OF_PLUGINS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(5)", "SystemExit: 5"),
        ("command = 5", "TypeError: made_up_command:command is no command"),
    ],
)
def test_a_command_of_others_that_cannot_be_loaded_says_why_and_breaks_no_other(
    install_plugins: InstallPlugins, text: str, said: str
) -> None:
    groups = {"takt.commands": {"made-up": "made_up_command:command"}}
    install_plugins(groups, {"made_up_command": text})
    helped = CliRunner().invoke(main, ["--help"])
    assert helped.exit_code == 0
    assert re.search(r"^  made-up +Cannot be loaded: ", helped.output, re.MULTILINE)
    assert re.search(r"^  prune +Remove ", helped.output, re.MULTILINE)
    assert CliRunner().invoke(main, ["prune", "--help"]).exit_code == 0
    refused = CliRunner().invoke(main, ["made-up", "--any", "option"])
    assert refused.exit_code == 1
    assert f"`takt made-up` of takt-made-up cannot be loaded: {said}" in refused.output


def test_help_imports_no_plugin(install_plugins: InstallPlugins) -> None:
    groups = {group: {"rejects": "made_up_plugin:it"} for group in KINDS}
    install_plugins(groups, {"made_up_plugin": "1 / 0"})
    for words in (["--help"], ["serve", "--help"]):
        told = CliRunner().invoke(main, words, env={"TAKT_PLUGINS": "rejects"})
        assert told.exit_code == 0
    assert "made_up_plugin" not in sys.modules


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["fitt"])
    assert result.exit_code == 2
    assert "No such command 'fitt'" in result.output


def test_the_command_line_is_quick_to_import() -> None:
    code = "import sys, takt.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "takt.settings" in loaded
    assert not {"numpy", "cv2", "fastapi", "uvicorn"} & set(loaded)


def test_help_opens_no_record() -> None:
    code = "import sys, takt.cli; takt.cli.main(['records', '--help'], standalone_mode=False)"
    loaded = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "takt.recording.record" in loaded
    assert not {"sqlalchemy", "pyarrow", "numpy"} & set(loaded)


def test_the_server_s_modules_load_without_the_packages_of_any_extra() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(sys.argv[1:]); "
        "import takt.app, takt.server.run, takt.commands.keys"
    )
    extras = ("jwt", "onnxruntime", "openvino", "torch", "onnx", "httpx", "pynvml")
    subprocess.run([sys.executable, "-c", code, *extras], check=True)


def test_a_server_without_keys_ends_with_one_line_where_others_could_reach_it() -> None:
    refused = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0", "--port", "0"])

    assert refused.exit_code == 1
    (line,) = refused.output.splitlines()
    assert "takt keys add" in line and "--keys-file" in line and "--insecure" in line
