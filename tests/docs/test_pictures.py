"""The pictures of README and docs are of this release, and these are made here.

Those of the console are made by tests/console/test_screenshots.py.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.console.conftest import BANK, PICTURES, browser, new_page
from tests.docs.pictures import (
    DOCS,
    folder_for,
    keep,
    release,
    stamp_of,
)
from tests.real_pictures import real_pictures

__all__ = ["browser", "new_page"]

MODEL = BANK / "pitting/1"
PITTED = PICTURES / "pitting/01_200907033130_397500_315_crop_2.jpg"


def pictures() -> list[Path]:
    kinds = {".jpg", ".jpeg", ".png", ".webp", ".gif"}
    return sorted(path for path in DOCS.rglob("*") if path.suffix in kinds)


@pytest.mark.parametrize("path", pictures(), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_a_picture_of_the_docs_is_of_this_release(path: Path) -> None:
    assert stamp_of(path) == release(), "run `make pictures`"


def test_there_are_such_pictures() -> None:
    assert len(pictures()) > 15


def test_what_is_kept_tells_its_release(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp"):
        keep(Image.new("RGB", (8, 8)), tmp_path / "in" / name)
        assert stamp_of(tmp_path / "in" / name) == release()


def test_the_overlay_shows_the_pit(start_server: Any, tmp_path: Path) -> None:
    with start_server(BANK) as server:
        url = f"{server.url}/v1/models/pitting/inspect"
        body = PITTED.read_bytes()
        answer = httpx.post(url, content=body, timeout=60).json()
        asked = {"heatmap": "overlay", "format": "png"}
        drawn = httpx.post(
            url, params=asked, content=body, headers={"accept": "image/*"}, timeout=60
        )
    overlay = Image.open(io.BytesIO(drawn.content)).convert("RGB")
    path = folder_for(tmp_path) / "overlay.jpg"
    keep(overlay, path, quality=90)

    changed = np.abs(np.asarray(overlay, int) - np.asarray(Image.open(PITTED), int)).max(axis=2)
    rows, columns = np.nonzero(changed > 64)
    assert answer["anomalous"]
    left, top, width, height = answer["regions"][0]["box"]
    assert left - 4 <= np.median(columns) <= left + width + 4
    assert top - 4 <= np.median(rows) <= top + height + 4
    assert stamp_of(path) == release()


@pytest.mark.slow
@pytest.mark.browser
def test_the_report_of_an_evaluation(new_page: Callable[..., Page], tmp_path: Path) -> None:
    data = real_pictures("bsdata_pitting")
    report, figures = tmp_path / "report.html", tmp_path / "figures.json"
    command = ("eval", MODEL, "--data", data.name, "--report", report, "--json", figures, "-q")
    takt(*command, cwd=data.parent)

    path = folder_for(tmp_path) / "evaluation-report.webp"
    photograph(new_page, report, path, height=1960)

    assert json.loads(figures.read_text())["real"] is not None
    assert stamp_of(path) == release()


@pytest.mark.slow
@pytest.mark.browser
def test_the_report_of_a_study(new_page: Callable[..., Page], tmp_path: Path) -> None:
    data = real_pictures("bsdata_pitting")
    make_study(data, tmp_path)
    models, report, figures = (tmp_path / name for name in ("models", "study.html", "study.json"))
    learn = ("learn", "fit", "--model", "pitting", "--repository", models, "--alpha", "0.05")
    takt(*learn, "-q", cwd=tmp_path)
    analyse = ("msa", "folder", models / "pitting/1", "study", "--report", report)
    takt(*analyse, "--json", figures, "-q", cwd=tmp_path)

    path = folder_for(tmp_path) / "msa-report.webp"
    photograph(new_page, report, path, height=1900)

    found = json.loads(figures.read_text())
    (inspection,) = found["appraisers"]
    assert len(found["parts"]) == 160
    page = (DOCS / "msa.md").read_text("utf-8")
    rated = [one for one in inspection.values() if isinstance(one, dict) and one["rating"]]
    assert len(rated) == 5
    for figure in rated:
        assert row_of(figure) in page
    assert stamp_of(path) == release()


def row_of(figure: dict[str, Any]) -> str:
    """A figure's row in docs/msa.md, behind its name."""
    if figure["count"] is None:
        shown = (f"{one:.2f}" for one in (figure["value"], *figure["interval"]))
        counted, unit = f"{figure['parts']} parts", ""
    else:
        shown = (f"{100 * one:.1f}" for one in (figure["value"], *figure["interval"]))
        counted, unit = f"{figure['count']:.0f} of {figure['of']:.0f} {figure['unit']}", " %"
    value, low, high = shown
    rated = f"{figure['rating']} | {figure['shown']}"
    return f"| {counted} | {value}{unit} | {low} to {high}{unit} | {rated} |"


def make_study(data: Path, folder: Path) -> None:
    """The study of docs/msa.md, which is made up: 80 good and 80 pitted parts at three places each.

    A place is the same picture, cut up to 8 pixels away and made up to 1.5 % brighter or darker.
    Two files are copies, as of somebody who did not place the part again. The pictures of the fit
    are cut in the same way.
    """
    draw = np.random.default_rng(7)

    def place(picture: Path, path: Path) -> None:
        levels = np.asarray(Image.open(picture).convert("RGB"), float)
        left, top = draw.integers(0, 17, size=2)
        height, width = levels.shape[0] - 16, levels.shape[1] - 16
        seen = levels[top : top + height, left : left + width] * draw.uniform(0.985, 1.015)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(seen.round().clip(0, 255).astype(np.uint8)).save(path)

    for number, picture in enumerate(sorted((data / "train/good").iterdir())):
        place(picture, folder / f"fit/{number:03}.png")
    for kind, of in (("good", "good"), ("defect", "pitting")):
        for number, picture in enumerate(sorted((data / "test" / of).iterdir())[:80], 1):
            part = folder / f"study/{kind}/{kind[0]}{number:02}"
            for trial in (1, 2, 3):
                place(picture, part / f"t{trial}.png")
    for part, copied, of in (("g61", "t2.png", "t1.png"), ("g65", "t3.png", "t2.png")):
        there = folder / "study/good" / part
        (there / copied).write_bytes((there / of).read_bytes())


def takt(*arguments: object, cwd: Path) -> None:
    """Run a command where it names its pictures as a reader would."""
    command = [str(Path(sys.executable).parent / "takt"), *map(str, arguments)]
    said = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def photograph(new_page: Callable[..., Page], report: Path, path: Path, *, height: int) -> None:
    """The report's top, as a browser shows it, at three quarters of the size."""
    page = new_page(viewport={"width": 1120, "height": height}, color_scheme="light")
    page.goto(report.as_uri())
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    smaller = picture.resize((840, height * 3 // 4), Image.Resampling.LANCZOS)
    keep(smaller, path, quality=85)
