import fcntl
import os
from pathlib import Path

import pytest

from takt.core.errors import ConflictError
from takt.learning.folder import LearningFolder, PictureBounds, abandoned

BOUNDS = PictureBounds(10**6, left_bytes=0)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository in which a version is whole and another has begun."""
    for name in ("nut/1", "nut/.2.fit", "nut/.2-abcd_123", "nut/.3-abcd_123", "bolt/.1.fit"):
        (tmp_path / "models" / name).mkdir(parents=True)
    return tmp_path / "models"


def left(models: Path) -> set[str]:
    return {path.relative_to(models).as_posix() for path in models.glob("*/*")}


def test_what_was_begun_goes_and_every_whole_version_stays(tmp_path: Path, models: Path) -> None:
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    folder.note_place("nut", "2")
    folder.remove(models)
    assert left(models) == {"nut/1", "nut/.3-abcd_123", "bolt/.1.fit"}
    assert not folder.path.exists()


def test_what_somebody_learns_at_the_command_line_meanwhile_stays(
    tmp_path: Path, models: Path
) -> None:
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    folder.note_place("nut", "2")
    descriptor = os.open(models / "nut" / ".2.fit", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    before = left(models)
    folder.remove_leftovers(models)
    assert left(models) == before
    os.close(descriptor)
    folder.remove_leftovers(models)
    assert left(models) == {"nut/1", "nut/.3-abcd_123", "bolt/.1.fit"}


def test_a_state_that_an_interrupted_fit_had_left_before_stays(
    tmp_path: Path, models: Path
) -> None:
    state = models / "nut" / ".2.fit" / "fit.safetensors.resume"
    state.touch()
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    folder.note_place("nut", "2")
    noted_s = (folder.path / "place").stat().st_mtime
    os.utime(state, (noted_s - 1, noted_s - 1))
    folder.remove_leftovers(models)
    assert state.exists()
    os.utime(state, (noted_s + 1, noted_s + 1))  # this learning has gone on from it
    folder.remove_leftovers(models)
    assert not state.parent.exists()


def test_a_model_of_which_nothing_but_a_beginning_was_there_goes(
    tmp_path: Path, models: Path
) -> None:
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    folder.note_place("bolt", "1")
    folder.remove_leftovers(models)
    assert not (models / "bolt").exists()
    assert (folder.path / "tmp").is_dir()


def test_what_a_server_left_that_was_killed_is_taken_over_without_its_leftovers(
    tmp_path: Path, models: Path, picture_bytes
) -> None:
    killed = tmp_path / "learning" / "one"
    (killed / "pictures").mkdir(parents=True)
    (killed / "place").write_text("nut/2", encoding="utf-8")
    (killed / "pictures" / "0001-a.png").write_bytes(picture_bytes(1))
    (folder,) = abandoned(tmp_path / "learning", models, BOUNDS)
    assert "nut/.2.fit" not in left(models)
    assert (folder.path, folder.count, folder.place) == (killed, 1, "2")
    assert folder.bytes == len(picture_bytes(1))
    assert [folder.add("b.png", picture_bytes(seed)) for seed in (1, 2)] == [False, True]
    assert (folder.count, folder.duplicates) == (2, 1)
    # Nobody else takes it, too.
    assert [*abandoned(tmp_path / "learning", models, BOUNDS)] == []
    folder.remove(models)
    assert not killed.exists()


@pytest.mark.parametrize("place", ["../nut/2", "nut/../2", "nut", "/", "", "nut/2/3"])
def test_a_place_that_is_none_removes_nothing(tmp_path: Path, models: Path, place: str) -> None:
    killed = tmp_path / "learning" / "one"
    killed.mkdir(parents=True)
    (killed / "place").write_text(place, encoding="utf-8")
    before = left(models)
    (folder,) = abandoned(tmp_path / "learning", models, BOUNDS)
    assert (left(models), folder.place) == (before, None)
    folder.remove(models)
    assert left(models) == before


def test_what_a_server_has_that_runs_stays(tmp_path: Path, models: Path) -> None:
    folder = LearningFolder(tmp_path / "learning" / "one", BOUNDS)
    assert [*abandoned(tmp_path / "learning", models, BOUNDS)] == []
    assert folder.path.is_dir()
    folder.remove(models)


def test_a_folder_that_is_gone_takes_nothing(tmp_path: Path, models: Path, picture_bytes) -> None:
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    folder.remove(models)
    with pytest.raises(ConflictError):
        folder.add("late.png", picture_bytes(1))


def test_only_this_user_reads_what_waits(tmp_path: Path, picture_bytes) -> None:
    folder = LearningFolder(tmp_path / "learning" / "one", BOUNDS)
    folder.add("a.png", picture_bytes(1))
    (file,) = folder.pictures.iterdir()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def gathered(folder: LearningFolder) -> None:
    (folder.gathered / "defect").mkdir(parents=True)
    (folder.gathered / "defect/a.png").write_bytes(b"png")


def test_what_was_gathered_takes_the_place_of_what_was_there(tmp_path: Path, picture_bytes) -> None:
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    folder.add("a.png", picture_bytes(1))
    gathered(folder)
    folder.take_gathered(1, 3)
    assert [one.name for one in folder.pictures.rglob("*.png")] == ["a.png"]
    assert (folder.count, folder.bytes) == (1, 3)
    assert not folder.gathered.exists()


def test_pictures_that_can_be_had_again_are_forgotten(tmp_path: Path) -> None:
    folder = LearningFolder(tmp_path / "one", BOUNDS)
    gathered(folder)
    folder.take_gathered(1, 3)
    gathered(folder)
    folder.forget_pictures()
    assert not any(folder.pictures.iterdir())
    assert not folder.gathered.exists()
    assert (folder.count, folder.bytes) == (0, 0)


def test_room_is_what_the_bounds_and_the_disk_leave(tmp_path: Path) -> None:
    few = LearningFolder(tmp_path / "few", PictureBounds(10**6, bytes=100, left_bytes=0))
    gathered(few)
    few.take_gathered(1, 30)
    assert few.room() == 70
    full = LearningFolder(tmp_path / "full", PictureBounds(10**6, left_bytes=1 << 60))
    assert full.room() == 0
