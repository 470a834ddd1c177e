from __future__ import annotations

import os
from contextlib import aclosing
from pathlib import Path

import pytest

from takt.core.domain import Labels
from takt.sources.capture import SourceError
from takt.sources.folder import Folder
from takt.sources.pacing import Shot, Shots


async def take(shots: Shots, count: int) -> list[Shot]:
    async with aclosing(shots):
        return [await anext(shots) for _ in range(count)]


def names(shots: list[Shot]) -> list[str]:
    return [shot.name for shot in shots]


def nobody(notice: str) -> None:
    raise AssertionError(notice)


def at_rest(path: Path, data: bytes = b"picture") -> None:
    path.write_bytes(data)
    os.utime(path, (1_000_000, 1_000_000))


async def test_the_pictures_of_a_folder_come_by_name_then_new_ones_as_they_come(
    fake_time, tmp_path: Path
) -> None:
    for name in ("b.png", "a.JPG", ".hidden.png", "notes.txt", "empty.png"):
        at_rest(tmp_path / name)
    at_rest(tmp_path / "empty.png", b"")
    arriving = iter(["d.png", "c.bmp"])

    def arrive() -> None:
        if (name := next(arriving, None)) is not None:
            at_rest(tmp_path / name)

    fake_time.on_sleep = arrive

    shots = await take(Folder(tmp_path, fake_time.clock, nobody).shots(), 4)
    assert names(shots) == ["a", "b", "d", "c"]
    labels = Labels(tags=(("file", "a.JPG"),))
    assert shots[0] == Shot("a", 1_000_000_000_000, b"picture", labels=labels)


async def test_a_file_that_is_being_written_is_waited_for(fake_time, tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(b"h")
    more = iter([b"ha", b"hal", b"half", b"whole!"])

    def write() -> None:
        if (data := next(more, None)) is not None:
            path.write_bytes(data)

    fake_time.on_sleep = write

    (shot,) = await take(Folder(tmp_path, fake_time.clock, nobody).shots(), 1)
    assert shot.picture == b"whole!"


async def test_a_file_that_is_written_anew_is_taken_again(fake_time, tmp_path: Path) -> None:
    path = tmp_path / "latest.jpg"
    at_rest(path, b"one")
    fake_time.on_sleep = lambda: at_rest(path, b"another")

    shots = await take(Folder(tmp_path, fake_time.clock, nobody).shots(), 2)
    assert [shot.picture for shot in shots] == [b"one", b"another"]


async def test_a_folder_that_is_gone_ends_with_a_clear_error(fake_time, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        await take(Folder(tmp_path / "gone", fake_time.clock, nobody).shots(), 1)


async def test_a_folder_with_a_picture_s_name_is_no_picture(fake_time, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "a.png" / "within.png").write_bytes(b"x")
    at_rest(tmp_path / "b.png")

    assert names(await take(Folder(tmp_path, fake_time.clock, nobody).shots(), 1)) == ["b"]


async def test_a_file_that_cannot_be_read_is_said_once_and_taken_when_it_can(
    fake_time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    at_rest(tmp_path / "a.png")
    at_rest(tmp_path / "b.png")
    read, locked = Path.read_bytes, True

    def refuse(path: Path) -> bytes:
        if locked and path.name == "a.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)

    def unlock() -> None:
        nonlocal locked
        locked = len(fake_time.slept) < 3

    fake_time.on_sleep = unlock

    shots = await take(Folder(tmp_path, fake_time.clock, notices.append).shots(), 2)
    assert names(shots) == ["b", "a"]
    assert notices == [f"{tmp_path}/a.png cannot be read: Permission denied; trying again"]


async def test_a_folder_that_goes_away_is_said_once_and_waited_for(
    fake_time, tmp_path: Path
) -> None:
    notices: list[str] = []
    folder, away = tmp_path / "mounted", tmp_path / "away"
    folder.mkdir()
    at_rest(folder / "a.png")

    def change() -> None:
        if len(fake_time.slept) == 1:
            folder.rename(away)
        elif len(fake_time.slept) == 4:
            away.rename(folder)
            at_rest(folder / "b.png")

    fake_time.on_sleep = change

    shots = await take(Folder(folder, fake_time.clock, notices.append).shots(), 2)
    assert names(shots) == ["a", "b"]
    assert notices == [f"{folder} cannot be read: No such file or directory; trying again"]
