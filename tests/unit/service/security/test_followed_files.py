from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from takt.core.errors import ConfigurationError
from takt.security.followed_files import LOOK_EVERY_S, Contents, FollowedFiles


class Taker:
    def __init__(self) -> None:
        self.taken: list[Contents] = []
        self.told: list[bool] = []

    def take(self, contents: Contents) -> None:
        if b"damaged" in contents:
            raise ConfigurationError("it is damaged")
        self.taken.append(contents)


@pytest.fixture
def taker() -> Taker:
    return Taker()


def follow(taker: Taker, *paths: Path) -> FollowedFiles:
    files = FollowedFiles("words", paths, taker.take, taker.told.append)
    files.load()
    return files


def test_a_change_is_taken_once(tmp_path: Path, taker: Taker) -> None:
    (path := tmp_path / "a").write_bytes(b"1")
    files = follow(taker, path)
    files.look()
    path.write_bytes(b"2")
    files.look()
    files.look()

    assert taker.taken == [(b"1",), (b"2",)]
    assert taker.told == [True]


def test_a_link_that_is_exchanged_is_a_change(tmp_path: Path, taker: Taker) -> None:
    """As in a volume of Kubernetes: `keys` leads through `..data` to a folder with a date."""
    for name, content in (("monday", b"1"), ("tuesday", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_bytes(content)
    (tmp_path / "..data").symlink_to("monday")
    (tmp_path / "keys").symlink_to("..data/keys")
    files = follow(taker, tmp_path / "keys")
    (tmp_path / "..new").symlink_to("tuesday")
    (tmp_path / "..new").rename(tmp_path / "..data")
    files.look()

    assert taker.taken == [(b"1",), (b"2",)]


def test_files_that_belong_together_are_taken_together(tmp_path: Path, taker: Taker) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"1")
    files = follow(taker, tmp_path / "a", tmp_path / "b")
    (tmp_path / "b").write_bytes(b"2")
    files.look()

    assert taker.taken == [(b"1", b"1"), (b"1", b"2")]


@pytest.mark.parametrize("harm", ["damaged", "gone", "a folder", "too long"])
def test_what_cannot_be_taken_is_told_once_and_the_last_stays_until_it_is_mended(
    tmp_path: Path, taker: Taker, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    (path := tmp_path / "a").write_bytes(b"1")
    files = follow(taker, path)
    path.unlink()
    if harm == "damaged":
        path.write_bytes(b"damaged")
    elif harm == "a folder":
        path.mkdir()
    elif harm == "too long":
        path.write_bytes(b" " * (1024 * 1024 + 1))
    with caplog.at_level(logging.ERROR):
        files.look()
        files.look()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the new words are refused, and the last good ones stay: ")
    assert (taker.taken, taker.told) == ([(b"1",)], [False])

    if path.is_dir():
        path.rmdir()
    path.write_bytes(b"1")
    files.look()
    assert taker.told == [False, True]


def test_a_server_does_not_begin_with_files_that_it_cannot_take(
    tmp_path: Path, taker: Taker
) -> None:
    with pytest.raises(ConfigurationError, match="there is no file"):
        follow(taker, tmp_path / "none")
    (tmp_path / "a").write_bytes(b"damaged")
    with pytest.raises(ConfigurationError, match="it is damaged"):
        follow(taker, tmp_path / "a")


async def test_it_looks_by_itself_within_a_second(
    tmp_path: Path, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOOK_EVERY_S <= 0.25
    monkeypatch.setattr("takt.security.followed_files.LOOK_EVERY_S", 0.001)
    (path := tmp_path / "a").write_bytes(b"1")
    files = follow(taker, path)
    path.write_bytes(b"2")
    job = asyncio.create_task(files.run())
    async with asyncio.timeout(60):
        while len(taker.taken) < 2:
            await asyncio.sleep(0.001)
    job.cancel()
    await asyncio.wait({job})
    assert taker.taken[-1] == (b"2",)
