from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import cv2
import pytest

from takt.core.bundles.manifest import Filter
from takt.core.domain import Depth, Orientation
from takt.core.errors import CalibrationError
from takt_export.calibration.grouping import BY_LOOKS, Grouping
from takt_export.calibration.pictures_to_use import (
    SEEN_UNKNOWN,
    choose_pictures,
    distinct,
    leave_out_seen,
    refuse_in_both,
    sample_evenly,
)
from takt_export.commands.camera_files import DEPTHS, ORIENTATIONS
from takt_export.commands.options import FILTERS
from takt_export.errors import PicturesError
from takt_models.checkpoints.facts import Filter as TrainedFilter
from takt_models.checkpoints.picture_digest import picture_digest

WritePictures = Callable[..., list[Path]]
PATHS = [Path(f"{number}.png") for number in range(10)]
GOOD = {path: path.stem for path in PATHS[:4]}


def test_copies_are_left_out_and_told(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, content in zip(paths, (b"one", b"two", b"one"), strict=True):
        path.write_bytes(content)
    told: list[str] = []
    found = distinct(paths, told.append)
    assert list(found) == paths[:2]
    assert len(set(found.values())) == 2
    assert told == ["left out as copies of other pictures: 1"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match=r"gone\.png"):
        distinct([tmp_path / "gone.png"], print)


def test_what_the_training_saw_is_parted_from_the_rest_and_told() -> None:
    told: list[str] = []
    parted = leave_out_seen(GOOD, ["1", "3", "elsewhere"], told.append)
    assert parted.unseen == (PATHS[0], PATHS[2])
    assert parted.seen == (PATHS[1], PATHS[3])
    assert told == ["calibrating on 2 pictures the training never saw; 2 seen ones left out"]


def test_where_nothing_is_known_of_the_training_all_calibrate() -> None:
    assert leave_out_seen(GOOD, [], print).unseen == tuple(GOOD)
    assert "--fitted-on" in SEEN_UNKNOWN


def test_a_training_that_saw_all_leaves_nothing_to_calibrate_on() -> None:
    with pytest.raises(CalibrationError, match="seen all 4 good pictures"):
        leave_out_seen(GOOD, list(GOOD.values()), lambda line: None)


def test_a_picture_is_good_or_defective_but_not_both(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    good, other = write_pictures(tmp_path / "good", 2), write_pictures(tmp_path / "b", 1, seed=1)
    digests = {path: picture_digest(path) for path in good}
    refuse_in_both(digests, other)
    twin = tmp_path / "twin.png"
    twin.write_bytes(good[1].read_bytes())
    with pytest.raises(PicturesError, match=r"twin\.png is among the good pictures too"):
        refuse_in_both(digests, [*other, twin])


def twin_of(path: Path, name: str) -> Path:
    """The same pixels in another file."""
    twin = path.with_name(name)
    cv2.imwrite(str(twin), cv2.imread(str(path)))
    return twin


def test_near_copies_count_once_and_are_told(write_pictures: WritePictures, tmp_path: Path) -> None:
    good = write_pictures(tmp_path / "good", 3)
    told: list[str] = []
    chosen = choose_pictures(
        [*good, twin_of(good[1], "t.bmp")], [], ["x"], told.append, (), BY_LOOKS
    )
    assert chosen.unseen_parts.number == (0, 1, 2, 1)
    assert chosen.repeated == 1
    (note,) = chosen.notes
    assert "4 good pictures show 3 parts" in note and "option group" in note
    assert not any("good pictures show" in line for line in told)


def test_pictures_of_parts_that_the_training_has_seen_are_left_out(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "good", 3)
    twin, seen = twin_of(good[1], "t.bmp"), [picture_digest(good[1])]
    told: list[str] = []
    chosen = choose_pictures([*good, twin], [], seen, told.append, (), BY_LOOKS)
    assert chosen.unseen == (good[0], good[2])
    assert chosen.repeated == 1
    assert "1 pictures are left out" in told[-1]
    with pytest.raises(CalibrationError, match="--group none"):
        choose_pictures([good[1], twin], [], seen, told.append, (), BY_LOOKS)


def test_of_a_fits_own_scores_only_pictures_that_it_saw_repeat_others(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    learned, others = (write_pictures(tmp_path / name, 2, seed=len(name)) for name in ("a", "bcd"))
    learned.append(twin_of(learned[0], "t.bmp"))
    others.append(twin_of(others[0], "t.bmp"))
    copy = others[0].with_name("copy.png")
    copy.write_bytes(others[0].read_bytes())
    seen = [*map(picture_digest, learned)]
    both = choose_pictures([*learned, *others, copy], (), seen, print, seen[:2], BY_LOOKS)
    assert (both.copies, both.repeated) == (0, 1)
    told: list[str] = []
    none = choose_pictures([*others, copy], (), seen, told.append, seen[:2], BY_LOOKS)
    assert "scores of 2 parts, 2 of which are not among the given" in told[-1]
    assert (none.copies, none.repeated) == (0, 0)
    assert (none.unseen, none.seen) == ((), tuple(others))


def test_of_a_part_that_is_named_each_picture_counts_and_nothing_is_proven(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "lot", 3)
    chosen = choose_pictures(good, [], ["x"], lambda _: None, (), Grouping("folder"))
    assert (chosen.unseen_parts.count, chosen.groups, chosen.repeated) == (3, 1, 0)
    assert chosen.promise == "measured"
    assert chosen.notes == ("3 good pictures show 1 parts; each picture counts",)


def test_pictures_of_a_part_that_the_training_has_seen_are_left_out(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    one = write_pictures(tmp_path / "one", 2)
    others = write_pictures(tmp_path / "two", 2, seed=5)
    seen = [picture_digest(one[0])]
    chosen = choose_pictures([*one, *others], [], seen, lambda _: None, (), Grouping("folder"))
    assert chosen.unseen == tuple(others)


def test_lots_count_where_the_training_has_seen_none_of_them(
    write_pictures: WritePictures, tmp_path: Path
) -> None:
    mon, tue = write_pictures(tmp_path / "mon", 3), write_pictures(tmp_path / "tue", 3, seed=5)
    by_folder = Grouping("none", "folder")

    def lots(*seen: Path) -> tuple[str, ...]:
        digests = [picture_digest(path) for path in seen] or ["another"]
        return choose_pictures([*mon, *tue], [], digests, print, (), by_folder).lots.of

    assert lots() == ("mon",) * 3 + ("tue",) * 3
    assert lots(*mon) == ("tue",) * 3
    assert lots(mon[0]) == ()  # other pictures of its lot are left, which look like it


def test_compared_pictures_are_spread_over_the_first_ones() -> None:
    assert sample_evenly(PATHS, [], 5) == PATHS[::2]
    assert sample_evenly(PATHS[:2], PATHS[2:], 5) == PATHS[:5]
    assert sample_evenly(PATHS[:2], [], 5) == PATHS[:2]


def test_the_filters_to_choose_from_are_those_of_the_bundle() -> None:
    assert get_args(Filter) == FILTERS
    assert set(get_args(TrainedFilter)) < set(FILTERS)


def test_what_a_file_may_be_read_as_is_to_choose_from() -> None:
    assert get_args(Orientation) == ORIENTATIONS
    assert get_args(Depth) == DEPTHS
