from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from takt_export.errors import PicturesError
from takt_models.checkpoints.picture_digest import picture_digest
from takt_msa.errors import MsaError
from takt_msa.sources.folder import read_folder, read_placements

Place = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path, picture_bytes: Callable[..., bytes]) -> Place:
    """Writes a picture of a level into the study's folder."""

    def write(name: str, level: int) -> Path:
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_bytes(level, path.suffix))
        return path

    return write


@pytest.fixture
def root(tmp_path: Path, place: Place) -> Path:
    """Two parts, two placements each, in both layouts."""
    place("good/nut-1/a.png", 50)
    place("good/nut-1/b.png", 51)
    place("defect/nut_2_1.png", 200)
    place("defect/nut_2_2.png", 201)
    return tmp_path / "study"


def test_a_part_is_a_folder_or_what_comes_before_the_last_underscore(root: Path) -> None:
    placed = read_folder(root)

    assert [(part.name, part.defective) for part in placed.parts] == [
        ("nut-1", False),
        ("nut_2", True),
    ]
    assert [path.name for path in placed.parts[1].pictures] == ["nut_2_1.png", "nut_2_2.png"]


def test_files_and_hidden_folders_beside_the_parts_are_passed_over(root: Path) -> None:
    (root / "README.txt").write_text("who placed what")
    (root / ".thumbnails").mkdir()
    (root / "good" / "notes.txt").write_text("no picture")

    assert len(read_folder(root).parts) == 2


def test_pictures_below_a_parts_folder_are_its_own(root: Path, place: Place) -> None:
    place("good/nut-1/monday/c_1.png", 52)

    assert len(read_folder(root).parts[0].pictures) == 3


def test_a_copied_file_counts_once_and_is_named(root: Path, place: Place) -> None:
    place("good/nut-1/c.png", 50)

    placed = read_placements(root)

    assert [path.name for path in placed.parts[0].pictures] == ["a.png", "b.png"]
    (note,) = placed.notes
    assert note.grave
    assert "repeating a file is not repeating a placement" in note.text
    assert note.names == ("good/nut-1/c.png (as a.png)",)


def test_a_file_saved_again_without_loss_counts_once(root: Path, place: Place) -> None:
    place("good/nut-1/c.bmp", 51)

    assert read_placements(root).notes[0].names == ("good/nut-1/c.bmp (as b.png)",)


def test_one_picture_in_two_parts_is_refused(root: Path, place: Place) -> None:
    place("good/nut-3/a.png", 200)

    with pytest.raises(MsaError, match=r"nut_2_1\.png is the same picture as .*nut-3/a\.png"):
        read_placements(root)


def test_a_part_that_looks_the_same_each_time_counts_and_is_named(
    tmp_path: Path, root: Path, write_pictures: Callable[..., list[Path]]
) -> None:
    (noise,) = write_pictures(root / "good" / "nut-5", 1, size=(256, 256))
    cv2.imwrite(str(noise.with_name("again.jpg")), cv2.imread(str(noise)))

    placed = read_placements(root)

    (alike,) = placed.notes
    assert (alike.names, alike.grave) == (("nut-5",), False)
    assert "placed again" in alike.text
    assert [len(part.pictures) for part in placed.parts if part.name == "nut-5"] == [2]


def test_two_parts_that_look_the_same_are_a_warning(
    root: Path, write_pictures: Callable[..., list[Path]]
) -> None:
    (noise,) = write_pictures(root / "good" / "nut-5", 1, size=(256, 256))
    (root / "good" / "nut-6").mkdir()
    cv2.imwrite(str(root / "good" / "nut-6" / "again.jpg"), cv2.imread(str(noise)))

    (shared,) = read_placements(root).notes

    assert (shared.names, shared.grave) == (("nut-5 = nut-6",), True)


def test_pictures_that_the_fit_has_seen_are_a_warning(root: Path) -> None:
    (note,) = read_placements(root, {picture_digest(root / "good" / "nut-1" / "b.png")}).notes

    assert "the fit has seen: 1" in note.text
    assert (note.names, note.grave) == (("good/nut-1/b.png",), True)


def test_a_part_in_both_folders_is_refused(root: Path, place: Place) -> None:
    place("defect/nut-1/c.png", 202)

    with pytest.raises(MsaError, match="in good and in defect: nut-1;"):
        read_folder(root)


def test_a_picture_that_does_not_name_its_part_is_refused(root: Path, place: Place) -> None:
    place("good/nut.png", 52)

    with pytest.raises(MsaError, match=r"nut\.png does not tell which part it shows; name it"):
        read_folder(root)


@pytest.mark.parametrize("missing", ["good", "defect"])
def test_a_folder_without_parts_of_a_kind_is_refused(
    tmp_path: Path, place: Place, missing: str
) -> None:
    place("good/a/1.png", 50)
    place("defect/b/1.png", 200)
    (tmp_path / "study" / missing).rename(tmp_path / missing)

    with pytest.raises(MsaError, match="needs good and defective reference parts as good/PART/"):
        read_folder(tmp_path / "study")
    (tmp_path / "study" / missing).mkdir()
    with pytest.raises(MsaError, match=f"{missing} holds no pictures"):
        read_folder(tmp_path / "study")


def test_a_folder_of_another_name_beside_the_two_is_refused(root: Path, place: Place) -> None:
    place("unsure/a/1.png", 50)

    with pytest.raises(MsaError, match="has defect, good, unsure; "):
        read_folder(root)


def test_a_file_that_is_no_picture_is_named(root: Path) -> None:
    (root / "good" / "nut-1" / "c.png").write_bytes(b"no picture")

    with pytest.raises(PicturesError, match=r"c\.png"):
        read_placements(root)
