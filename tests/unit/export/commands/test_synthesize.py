from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from takt_export.commands.synthesize import NAMES, synthesize
from takt_export.evaluation.data_sets import read_data_set
from takt_export.pictures import read_picture
from takt_export.synthetic.defects import KINDS
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.detector import EfficientAd

WritePictures = Callable[..., list[Path]]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(synthesize, [str(argument) for argument in arguments])


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 5)


@pytest.fixture
def checkpoint(small_model: EfficientAd, good: list[Path], tmp_path: Path) -> Callable[[int], Path]:
    """Writes a checkpoint whose fit has seen so many of the good pictures."""

    def write(count: int) -> Path:
        seen = tuple(picture_digest(path) for path in good[:count])
        path = tmp_path / "part.safetensors"
        save_checkpoint(path, small_model, FitFacts(small_model.config, seen, 1, 0))
        return path

    return write


def test_the_command_is_found_by_takt_and_offers_every_kind() -> None:
    (entry,) = importlib.metadata.entry_points(group="takt.commands", name="synthesize")
    assert entry.load() is synthesize
    assert NAMES == KINDS


def test_the_command_is_listed_without_importing_anything_heavy() -> None:
    code = (
        "import sys; import takt_export.commands.synthesize; "
        "print([m for m in ('torch', 'cv2', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert found.stdout.strip() == "[]"


def test_a_set_is_written_and_told(good: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    result = run("--good", good[0].parent, "--out", out, "--count", 2, "-q")
    assert result.exit_code == 0, result.output
    assert "3 good pictures as they were, 2 others altered into 2 synthetic-cutpaste" in (
        result.output
    )
    assert "They are no real defects" in result.output
    assert f"--data {out}" in result.output
    assert len(read_data_set(out).samples) == 3 + 6


def test_the_next_command_can_be_copied_whatever_the_folder_is_called(
    good: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "made up"
    result = run("--good", good[0].parent, "--out", out, "--count", 1, "-q")
    assert result.exit_code == 0, result.output
    assert f"--data '{out}'" in result.output


def test_kinds_may_be_chosen(good: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    given = ["--good", good[0].parent, "--out", out, "--count", 1, "--texture", good[0].parent]
    result = run(*given, "--kinds", "perlin, cutpaste,perlin", "--seed", 3, "-q")
    assert result.exit_code == 0, result.output
    facts = json.loads((out / "synthetic.json").read_text(encoding="utf-8"))
    assert facts["defects"] == {"synthetic-cutpaste": 1, "synthetic-perlin": 1}
    assert facts["seed"] == 3
    assert facts["texture_folder"] == "good"


@pytest.mark.parametrize("kinds", ["dent", "scar,dent", ""])
def test_an_unknown_kind_is_refused(good: list[Path], tmp_path: Path, kinds: str) -> None:
    result = run("--good", good[0].parent, "--out", tmp_path / "set", "--kinds", kinds)
    assert result.exit_code == 2
    assert "is none of cutpaste, scar, perlin" in result.output


def test_without_a_checkpoint_seen_pictures_are_warned_of(good: list[Path], tmp_path: Path) -> None:
    result = run("--good", good[0].parent, "--out", tmp_path / "set", "--count", 1, "-q")
    assert "warning: " in result.output
    assert "--leave-out" in result.output


def test_what_a_fit_has_seen_is_left_out(
    good: list[Path], tmp_path: Path, checkpoint: Callable[[int], Path]
) -> None:
    out = tmp_path / "set"
    given = ["--good", good[0].parent, "--out", out, "--count", 2, "-q"]
    result = run(*given, "--leave-out", checkpoint(2))
    assert result.exit_code == 0, result.output
    assert "3 pictures that the fit never saw; 2 seen ones left out" in result.output
    assert "warning" not in result.output
    facts = json.loads((out / "synthetic.json").read_text(encoding="utf-8"))
    assert set(facts["pictures"].values()) == {path.name for path in good[2:]}
    assert facts["left_out"] == 2


@pytest.mark.parametrize(
    ("seen", "message"),
    [(0, "does not say which pictures its fit has seen"), (5, "has seen all 5 good pictures")],
)
def test_a_checkpoint_that_leaves_no_choice_is_refused(
    good: list[Path],
    tmp_path: Path,
    checkpoint: Callable[[int], Path],
    seen: int,
    message: str,
) -> None:
    given = ["--good", good[0].parent, "--out", tmp_path / "set"]
    result = run(*given, "--leave-out", checkpoint(seen))
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "set").exists()


def test_a_copy_is_not_used_twice(good: list[Path], tmp_path: Path) -> None:
    shutil.copyfile(good[0], good[0].with_name("copy.png"))
    out = tmp_path / "set"
    result = run("--good", good[0].parent, "--out", out, "--count", 9, "--kinds", "scar", "-q")
    assert result.exit_code == 0, result.output
    facts = json.loads((out / "synthetic.json").read_text(encoding="utf-8"))
    assert len(set(facts["pictures"].values())) == 5


def test_textures_of_16_bits_are_read_by_the_bits_of_their_camera(
    good: list[Path], write_pictures: WritePictures, tmp_path: Path
) -> None:
    (plain,) = write_pictures(tmp_path / "plain", 1, seed=9)
    levels = read_picture(plain)[..., ::-1] * (4095 / 255)
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "deep" / plain.name), np.rint(levels).astype(np.uint16))
    made = {}
    for name in ("plain", "deep"):
        ended = run(
            *("--good", good[0].parent, "--out", tmp_path / f"{name}-set", "--kinds", "perlin"),
            *("--count", 2, "--texture", tmp_path / name, "--quiet"),
        )
        assert ended.exit_code == 0, ended.output
        made[name] = (tmp_path / f"{name}-set/test/synthetic-perlin/000.png").read_bytes()
    assert made["deep"] == made["plain"]
    assert "of --texture: 1 of 1 pictures have 16 bits: " in ended.output
    assert "as of a camera of 12 bits" in ended.output
