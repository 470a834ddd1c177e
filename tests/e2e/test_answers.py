"""Answers stay as they were, bit by bit: scores, verdicts, regions, heatmaps, by every protocol.

`tests/data/answers.json` holds them. Nothing in it depends on the processor: what the model and the
blending of tiles compute is exact or rounded once, and no lossy encoding is among the modes. How
OpenCV interpolates a heatmap does depend on the architecture.
"""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.answers.compare import compare
from benchmarks.answers.modes import EXACT, NONE
from benchmarks.answers.pictures import Picture
from benchmarks.answers.record import ask, load, questions, save
from benchmarks.answers.server import serving

TAKT = Path(sys.executable).with_name("takt")
RECORDED = Path(__file__).parents[1] / "data" / "answers.json"
SHOWN = 10

TILING = {"width": 32, "height": 32, "overlap": 8, "blend": "linear"}


def pattern(seed: int, *, across: int = 1, down: int = 1, rise: int = 0) -> NDArray[np.uint8]:
    """Coloured cells of `across` x `down` pixels, 32 x 32 of them, and a part brighter by `rise`.

    To shrink it to 32 x 32 is exact, and so is the mean of the channels.
    """
    y, x = np.indices((32, 32))
    level = (x * x * 7 + y * 13 + x * y * seed) % 90 + 20
    level += rise * ((x > 16) & (y > 10) & (y < 24))
    cells = np.stack([level - 12, level, level + 12], axis=-1).astype(np.uint8)
    return cells.repeat(across, axis=1).repeat(down, axis=0)


def bmp(name: str, picture: NDArray[np.uint8]) -> Picture:
    """A BMP, whose bytes are the same with every version of OpenCV."""
    done, data = cv2.imencode(".bmp", picture)
    assert done
    return Picture(f"{name}.bmp", data.tobytes())


def pictures() -> list[Picture]:
    spot = np.full((64, 64, 3), 60, np.uint8)
    spot[40:44, 12:16] = 210
    return [
        bmp("small", pattern(3, rise=120)),
        bmp("twice", pattern(5, across=2, down=2, rise=70)),
        bmp("wide", pattern(11, across=3, down=2, rise=90)),
        bmp("grey", pattern(17, across=2, down=2, rise=60)[:, :, 1]),
        bmp("good", pattern(23, across=2, down=3)),
        bmp("spot", spot),
        bmp("dark", np.full((64, 96, 3), 40, np.uint8)),
    ]


def broken() -> list[Picture]:
    return [Picture("cut.bmp", pictures()[1].data[:-1000]), Picture("text.bmp", b"no picture")]


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="the heatmaps were recorded on x86-64",
)
def test_answers_are_those_that_were_recorded(
    make_bundle: Callable[..., object], repository: Path, tmp_path: Path
) -> None:
    make_bundle("whole")
    make_bundle("tiled", tiling=TILING)
    models = ("whole", "tiled")
    refused = {protocol: (NONE,) for protocol in EXACT}
    asked = [
        *questions(models, EXACT, {"made": pictures()}),
        *questions(models, refused, {"broken": broken()}),
    ]

    with serving(TAKT, repository) as url:
        cells = [ask(url, question) for question in asked]

    rows = compare(load(RECORDED) if RECORDED.exists() else [], cells)
    differences = [line for row in rows for line in row.differences]
    if differences:
        now = tmp_path / "answers.json"
        save(cells, now)
        pytest.fail(
            f"{len(differences)} of {sum(row.compared for row in rows)} answers differ:\n"
            + "\n".join(differences[:SHOWN])
            + "\nIf they are meant to, say so in CHANGELOG.md and renew the record:\n"
            + shlex.join(["cp", str(now), str(RECORDED)])
        )


def test_the_record_has_both_verdicts_regions_heatmaps_and_refusals() -> None:
    lines = {line for cell in load(RECORDED) for line in cell.answers.values()}
    scores, _, regions, heatmaps = (set(part) for part in zip(*map(str.split, lines), strict=True))

    scores.remove("400:invalid_image")
    assert min(map(float.fromhex, scores)) < 0.5 < max(map(float.fromhex, scores))
    assert len(regions) > 6
    assert len(heatmaps) > 30
