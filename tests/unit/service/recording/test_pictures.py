"""The kept pictures on the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from takt.core.domain import PixelFormat, RawPicture
from takt.core.errors import InspectionNotFoundError, RecordError
from takt.recording.pictures import PictureKey, PictureStore, format_of, sha256_of

JPEG = b"\xff\xd8\xff\xe0 and so on"
AT_US = 1_700_000_000_000_000


def key_of(picture: bytes | RawPicture) -> PictureKey:
    return PictureKey(AT_US, sha256_of(picture), format_of(picture))


def test_a_file_is_kept_as_it_came_under_its_date(tmp_path: Path) -> None:
    store, key = PictureStore(tmp_path), key_of(JPEG)
    assert store.write(key, JPEG) == len(JPEG)
    assert store.read(key) == JPEG
    assert [path for path, _ in store.files()] == [f"2023/11/14/{key.sha256}.jpg"]


def test_the_same_content_of_a_day_is_one_file(tmp_path: Path) -> None:
    store, key = PictureStore(tmp_path), key_of(JPEG)
    store.write(key, JPEG)
    assert store.write(replace(key, at_us=AT_US + 1), JPEG) == 0


@pytest.mark.parametrize("pixel_format", ["rgb8", "bgr8", "mono8"])
def test_raw_pixels_come_back_level_by_level(pixel_format: PixelFormat, tmp_path: Path) -> None:
    channels = 1 if pixel_format == "mono8" else 3
    pixels = bytes(range(7 * 5 * channels))
    picture = RawPicture(memoryview(pixels), 7, 5, pixel_format)
    store, key = PictureStore(tmp_path), key_of(picture)
    store.write(key, picture)
    assert store.read(key) == RawPicture(pixels, 7, 5, pixel_format)


@pytest.mark.parametrize("damage", [b"", b"something else"])
@pytest.mark.parametrize("picture", [JPEG, RawPicture(bytes(12), 2, 2, "rgb8")])
def test_a_changed_picture_is_not_taken_for_what_was_inspected(
    picture: bytes | RawPicture, damage: bytes, tmp_path: Path
) -> None:
    store, key = PictureStore(tmp_path), key_of(picture)
    store.write(key, picture)
    (tmp_path / key.path).write_bytes(damage)
    with pytest.raises(RecordError, match="has changed"):
        store.read(key)


def test_a_removed_picture_takes_its_empty_folders_along(tmp_path: Path) -> None:
    store, key = PictureStore(tmp_path), key_of(JPEG)
    store.write(key, JPEG)
    assert store.remove(key.path) == len(JPEG)
    assert store.remove(key.path) == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InspectionNotFoundError, match="not kept any more"):
        store.read(key)


def test_a_disk_that_takes_nothing_is_an_error_of_ours_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_bytes(b"in the way")
    with pytest.raises(RecordError, match="cannot be kept"):
        PictureStore(tmp_path / "pictures").write(key_of(JPEG), JPEG)
