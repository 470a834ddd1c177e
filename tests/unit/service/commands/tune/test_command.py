from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import takt.commands.tune.command
from takt.commands.tune.command import tune_command
from takt.commands.tune.results import TuneResults
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.host_profile import PROFILES, HostProfile, read_profile
from takt.core.engines.opener import engine_opener
from takt.core.engines.options import EngineOptions
from takt.core.host import host_name, usable_cores
from takt.settings import Settings

MakeBundle = Callable[..., Bundle]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment of the tests says."""
    monkeypatch.setattr(takt.commands.tune.command, "load_settings", Settings)


def run(*arguments: object, engines: str = "onnxruntime") -> Result:
    given = ["--seconds", "0.01", "--engines", engines, *(str(one) for one in arguments)]
    return CliRunner().invoke(tune_command, given)


def found_for(bundle: Bundle) -> HostProfile | None:
    return read_profile(bundle.path, host_name(usable_cores()))


def test_the_best_is_kept_for_this_host_and_the_service_takes_it(bundle: Bundle) -> None:
    result = run(bundle.path)
    assert result.exit_code == 0, result.output
    profile = found_for(bundle)
    assert profile is not None
    assert profile.engine == "onnxruntime"
    opened = engine_opener(EngineOptions())(load_bundle(bundle.path))
    opened.engine.close()
    assert (opened.plan.instances, opened.plan.threads) == (
        profile.engine_instances,
        profile.engine_threads,
    )


def test_it_is_told_what_was_chosen_why_and_what_would_be_better(bundle: Bundle) -> None:
    result = run(bundle.path)
    assert f"host: {host_name(usable_cores())}" in result.stdout
    assert "chosen: onnxruntime" in result.stdout
    assert "to do better: 8 bits" in result.stdout
    assert str(bundle.path / PROFILES) in result.stdout


def test_how_it_goes_is_no_part_of_the_result(bundle: Bundle) -> None:
    result = run(bundle.path)
    assert "round 1 of 2" in result.stderr
    assert "round" not in result.stdout


def test_a_dry_run_writes_nothing(bundle: Bundle) -> None:
    result = run(bundle.path, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "chosen: onnxruntime" in result.stdout
    assert found_for(bundle) is None


def test_a_target_that_none_keeps_writes_nothing_and_fails(bundle: Bundle) -> None:
    result = run(bundle.path, "--p99-ms", "0.000001")
    assert result.exit_code == 1
    assert "beyond the target" in result.stdout
    assert "nearest comes onnxruntime" in result.stderr
    assert found_for(bundle) is None


def test_a_target_that_is_kept_is_noted(bundle: Bundle) -> None:
    assert run(bundle.path, "--p99-ms", "60000").exit_code == 0
    profile = found_for(bundle)
    assert profile is not None
    assert profile.target_ms == 60_000


def test_the_figures_are_written_as_json(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "tune.json"
    assert run(bundle.path, "--json", file).exit_code == 0
    document = json.loads(file.read_bytes())
    assert document["written"] is True
    assert document["chosen"]["engine"] == "onnxruntime"


def test_a_json_file_that_cannot_be_written_is_one_line(bundle: Bundle, tmp_path: Path) -> None:
    result = run(bundle.path, "--json", tmp_path / "missing" / "tune.json")
    assert result.exit_code == 1
    assert "tune.json cannot be written" in result.stderr


def test_a_bundle_that_drifts_is_not_tuned(make_bundle: MakeBundle) -> None:
    bundle = make_bundle(scale=1.1)
    result = run(bundle.path)
    assert result.exit_code == 1
    assert "drifts  onnxruntime: " in result.stdout
    assert "takt doctor" in result.stderr
    assert found_for(bundle) is None


def test_an_unknown_engine_is_refused_at_once(bundle: Bundle) -> None:
    result = run(bundle.path, engines="onnxruntime,warp")
    assert result.exit_code == 1
    assert "'warp'" in result.stderr


def nothing_is_measured(*_: object) -> TuneResults:
    raise AssertionError("it was measured")


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(takt.commands.tune.command, "tune", nothing_is_measured)
    result = run(bundle.path)
    assert result.exit_code == 1
    assert "Read-only file system" in result.stderr


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_damaged_profiles_are_refused_before_anything_is_measured(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    (bundle.path / PROFILES).write_text("{")
    monkeypatch.setattr(takt.commands.tune.command, "tune", nothing_is_measured)
    result = run(bundle.path, *options)
    assert result.exit_code == 1
    assert "delete it" in result.stderr


@pytest.mark.parametrize("sizes", ["0", "a", "1,,2", "257"])
def test_batch_sizes_that_are_none_are_refused(bundle: Bundle, sizes: str) -> None:
    result = run(bundle.path, "--batch-sizes", sizes)
    assert result.exit_code == 2
    assert "no batch sizes" in result.stderr


def test_batch_sizes_are_tried_as_asked_for(bundle: Bundle) -> None:
    result = run(bundle.path, "--batch-sizes", "2, 4")
    assert "batches of 2" in result.stderr
    assert "batches of 4" in result.stderr


def test_one_round_is_too_few(bundle: Bundle) -> None:
    assert run(bundle.path, "--rounds", "1").exit_code == 2


def test_it_needs_nothing_of_the_offline_side() -> None:
    code = (
        "import sys, takt.commands.tune.command; "
        "sys.exit(any(name.partition('.')[0] in ('torch', 'onnx', 'takt_export', 'takt_models') "
        "for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
