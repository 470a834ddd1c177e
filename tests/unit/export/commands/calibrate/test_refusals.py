"""What `takt calibrate` refuses, before it changes anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.thresholds import OVERRIDES, DeployedThresholds, read_overrides
from tests.unit.export.commands.calibrate.calibrating import (
    done,
    refused,
    run,
)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--deploy", "best-f1"], "--deploy best-f1 needs pictures of defective parts"),
        (["--deploy", "cost"], "--deploy cost needs pictures of defective parts"),
        (["--cost-miss", "1"], "belong together"),
        (
            ["--cost-miss", "1", "--cost-reject", "1", "--prevalence", "0.1"],
            "costs need pictures of defective parts",
        ),
        (["--deploy", "cost", "--defects", "."], "needs --cost-miss, --cost-reject and"),
        (["--prevalence", "1"], "0<x<1"),
        (["--cost-miss", "0"], "x>0"),
        (["--alpha", "0"], "0<x<1"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    bundle: Bundle, good: Path, options: list[str], complaint: str
) -> None:
    assert complaint in refused(run(bundle.path, "--good", good, *options), status=2)


def test_a_calibration_that_fails_to_write_changes_nothing(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    DeployedThresholds(bundle, read_overrides(bundle.path)).change(
        image=0.125, pixel=None, reason=None
    )
    monkeypatch.setattr("takt.core.bundles.writing.write_atomically", full_disk)
    assert "No space left" in refused(run(bundle.path, "--good", good))
    assert load_bundle(bundle.path).manifest == bundle.manifest
    assert (bundle.path / OVERRIDES).exists()


def test_a_bundle_that_cannot_be_changed_is_refused_before_any_work(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda _, mode, **__: mode != os.W_OK)
    assert "cannot be written to" in refused(run(bundle.path, "--good", good))
    done(bundle.path, "--good", good, "--dry-run")


def test_overrides_that_cannot_be_understood_are_refused_before_any_work(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object, **__: object) -> None:
        pytest.fail("a picture is scored")

    monkeypatch.setattr("takt_export.bundling.recalibrate.measure_calibration", too_late)
    (bundle.path / OVERRIDES).write_text("{")
    assert "delete it to go back" in refused(run(bundle.path, "--good", good))


def test_a_picture_that_is_good_and_defective_is_refused(bundle: Bundle, good: Path) -> None:
    assert "among the good pictures too" in refused(
        run(bundle.path, "--good", good, "--defects", good)
    )


def test_an_engine_that_drifts_calibrates_nothing(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drifting(*_: Any) -> None:
        from takt.core.errors import DriftError

        raise DriftError("it drifts")

    monkeypatch.setattr("takt_export.bundling.recalibrate.check_golden", drifting)
    assert "it drifts" in refused(run(bundle.path, "--good", good))


def test_the_command_is_registered() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="takt.commands", name="calibrate")
    assert isinstance(found.load(), click.Command)
