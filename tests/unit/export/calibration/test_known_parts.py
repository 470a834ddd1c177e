"""The ids of the parts that calibrate."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle
from takt_export.calibration.grouping import BY_LOOKS, Grouping
from takt_export.calibration.known_parts import (
    former_part_ids,
    part_ids,
    part_ids_of_fit,
    tell_of_ids,
)
from takt_export.calibration.parts import Parts
from takt_export.calibration.pictures_to_use import CalibrationPictures
from takt_models.checkpoints.picture_digest import picture_digest

BY_NAME = Grouping(re.compile(r"part(\d+)"))


def test_each_part_has_the_id_of_its_pictures() -> None:
    paths = tuple(Path(f"top/part{name}.png") for name in ("7_a", "3_a", "7_b"))
    pictures = CalibrationPictures(paths, (), parts=Parts((0, 1, 0)))
    assert part_ids(pictures, BY_NAME).tolist() == ["7", "3"]
    assert part_ids(pictures, BY_LOOKS).shape == (0,)


def test_what_a_fit_has_scored_is_named_by_the_pictures_that_are_there_and_by_what_was_known(
    write_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    good = [
        path.rename(path.with_name(f"part{number}.png"))
        for number, path in enumerate(write_pictures(tmp_path / "top", 2))
    ]
    pictures = CalibrationPictures(tuple(good), ())
    one, two = map(picture_digest, good)
    former = {"before": "A-17", one: "another name"}
    found = part_ids_of_fit([two, "before", one, "nobody's"], pictures, BY_NAME, former)
    assert found.tolist() == ["1", "A-17", "0", ""]
    assert part_ids_of_fit([two], pictures, BY_LOOKS, {}).shape == (0,)
    assert part_ids_of_fit([one], pictures, BY_LOOKS, former).tolist() == ["another name"]


@pytest.mark.parametrize(
    ("promise", "pictures", "expected"),
    [
        ("measured", range(1, 41), {"digest1": "A", "digest3": "C"}),
        ("measured", range(1, 40), {}),
        ("proven", range(1, 41), {}),
    ],
    ids=["the fit's own", "of other pictures", "calibrated since"],
)
def test_a_version_hands_on_the_ids_of_the_parts_that_its_fit_has_scored(
    bundle: Bundle, promise: str, pictures: range, expected: dict[str, str]
) -> None:
    thresholds = bundle.manifest.thresholds.model_copy(update={"promise": promise})
    ids = np.array(["A", "", "C", *[""] * 37])
    version = replace(
        bundle,
        manifest=bundle.manifest.model_copy(update={"thresholds": thresholds}),
        calibration=replace(bundle.calibration, parts=ids),
    )
    seen = [f"digest{number}" for number in range(50)]
    scored = SimpleNamespace(pictures=tuple(pictures))
    checkpoint = cast("Any", SimpleNamespace(seen=seen, out_of_fold=scored))
    assert former_part_ids(version, checkpoint) == expected
    without = cast("Any", SimpleNamespace(seen=seen, out_of_fold=None))
    assert former_part_ids(version, without) == {}


def test_it_is_told_how_many_parts_are_known_by_their_ids() -> None:
    told: list[str] = []
    tell_of_ids(np.zeros(0, "U1"), told.append)
    assert not told
    tell_of_ids(np.array(["7", "", "3"]), told.append)
    assert told == [
        "parts known by ids: 2, such as '3'; views of a recipe that share enough of them are "
        "judged together"
    ]
    tell_of_ids(np.array(["7", "7", "3"]), told.append)  # two pictures of one part
    assert told[1] == told[0]
