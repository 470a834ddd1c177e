import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from takt.core.domain import Box
from takt.core.judged import LINES, JudgedFile, read_judged
from takt_export.errors import LearnError
from takt_export.learning.stages import Stages
from takt_export.learning.teaching.judged_pictures import (
    TeachingPicture,
    judged_pictures,
    tell_of_strange,
)
from takt_models.checkpoints.facts import SizeRange
from tests.unit.export.learning.teaching.conftest import spoil

ORIENTATION = 0x0112


def test_without_a_defect_there_is_nothing_to_teach(write_pictures: Any, tmp_path: Path) -> None:
    write_pictures(tmp_path / "judged" / "good", 2)
    with pytest.raises(LearnError, match="has no judged defect: judge what was missed first"):
        judged_pictures(tmp_path / "judged", Stages(quiet=True))


def test_a_picture_that_is_judged_both_ways_is_named(judged: Path) -> None:
    one = sorted((judged / "defect").iterdir())[0]
    (judged / "good" / "again.png").write_bytes(one.read_bytes())
    with pytest.raises(LearnError, match=r"good/again\.png and defect/000\.png are one picture"):
        judged_pictures(judged, Stages(quiet=True))


def test_a_copy_counts_once_and_what_was_judged_is_no_passed_picture(judged: Path) -> None:
    one = sorted((judged / "defect").iterdir())[0]
    (judged / "defect" / "copy.png").write_bytes(one.read_bytes())
    (judged / "passed" / "copy.png").write_bytes(one.read_bytes())
    found = judged_pictures(judged, Stages(quiet=True))
    assert (len(found.defects), len(found.good), len(found.passed)) == (8, 2, 3)


def test_a_picture_that_was_changed_since_it_was_judged_is_refused(judged: Path) -> None:
    lines = [one.line() for one in read_judged(judged)]
    (judged / LINES).write_bytes(b"".join(lines))
    spoil(sorted((judged / "good").iterdir())[:1])
    with pytest.raises(LearnError, match=r"000\.png is another picture than was judged"):
        judged_pictures(judged, Stages(quiet=True))


def test_what_reviewers_disagree_on_is_left_out_and_doubted(judged: Path) -> None:
    said = [replace(one, disputed=one.file.endswith("000.png")) for one in read_judged(judged)]
    (judged / LINES).write_bytes(b"".join(one.line() for one in said))
    found = judged_pictures(judged, Stages(quiet=True))
    assert (len(found.defects), len(found.good), len(found.disputed)) == (7, 1, 2)


def test_a_box_outside_its_picture_is_refused(judged: Path) -> None:
    defect = next(one for one in read_judged(judged) if one.judgement == "defect")
    boxed = JudgedFile(
        file=defect.file, sha256=defect.sha256, judgement="defect", box=Box(70, 50, 20, 20)
    )
    (judged / LINES).write_bytes(boxed.line())
    with pytest.raises(LearnError, match="80 x 60 pixels, and its box lies outside"):
        judged_pictures(judged, Stages(quiet=True))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_box_lies_on_the_picture_as_a_person_sees_it(judged: Path, suffix: str) -> None:
    turned = judged / "defect" / f"turned{suffix}"
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (80, 60), "grey").save(turned, exif=exif)
    box = Box(50, 70, 10, 10)
    said = JudgedFile(
        file=f"defect/turned{suffix}",
        sha256=hashlib.sha256(turned.read_bytes()).hexdigest(),
        judgement="defect",
        box=box,
    )
    (judged / LINES).write_bytes(said.line())
    (found,) = judged_pictures(judged, Stages(quiet=True)).defects
    assert (found.width, found.height) == (60, 80)
    inside = found.cells_in_box(8, 6)
    assert inside is not None
    assert np.argwhere(inside).tolist() == [[7, 5]]


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        (Box(0, 0, 100, 50), (0, 1, 2, 3, 4), tuple(range(10))),
        (Box(95, 45, 5, 5), (4,), (9,)),
        (Box(11, 11, 1, 1), (1,), (1,)),
        (Box(9, 9, 2, 2), (0, 1), (0, 1)),
    ],
)
def test_a_box_means_each_cell_that_it_touches(
    box: Box, rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    said = JudgedFile(file="defect/a.png", sha256="0" * 64, judgement="defect", box=box)
    inside = TeachingPicture(Path("a.png"), said, 100, 50).cells_in_box(5, 10)
    assert inside is not None
    assert np.flatnonzero(inside.any(1)).tolist() == [*rows]
    assert np.flatnonzero(inside.any(0)).tolist() == [*columns]


def test_what_another_server_judged_is_read_and_what_may_show_another_part_is_said(
    judged: Path,
) -> None:
    (judged / "good" / "000.png").rename(judged / "good" / "Prüfung 1.png")
    lines = [
        replace(
            one, inspection=9_000_000 + at, judgement_id=at + 1, model="andere", version="v1-rc"
        )
        for at, one in enumerate(read_judged(judged))
    ]
    (judged / LINES).write_bytes(b"".join(one.line() for one in lines))
    found = judged_pictures(judged, Stages(quiet=True))
    assert (len(found.defects), len(found.good)) == (8, 2)
    told: list[str] = []
    tell_of_strange(found, "parts", SizeRange(80, 80, 60, 60), told.append)
    (line,) = told
    assert "10 of 10 pictures were judged for a model of another name (andere)" in line
    # Turned by a quarter is the same camera.
    tell_of_strange(found, "andere", SizeRange(60, 60, 80, 80), told.append)
    tell_of_strange(found, "andere", None, told.append)
    assert told == [line]
    tell_of_strange(found, "andere", SizeRange(640, 640, 480, 480), told.append)
    assert "10 of 10 judged pictures have another size" in told[1]
    assert "defect/000.png with 80 x 60 pixels" in told[1]
