from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.pictures.decode import decode
from takt.core.pictures.preprocess import preprocess
from takt_export.errors import PicturesError
from takt_export.pictures import (
    list_pictures,
    read_mask,
    read_model_input,
    read_picture,
    usual_size,
)
from takt_models.input_size import InputSize


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_are_found_below_a_folder_by_suffix_in_order(tmp_path: Path) -> None:
    pictures = ["a.png", "b/c.JPG", "b/d.jpeg", "e.bmp", "f.webp", "g.tif", "h.tiff"]
    touch(tmp_path, *pictures, "notes.txt", ".hidden.png", ".cache/i.png", ".j.gif")
    assert [str(p.relative_to(tmp_path)) for p in list_pictures(tmp_path)] == pictures


@pytest.mark.parametrize(
    ("files", "folder", "message"),
    [
        ([], "absent", "there is no folder"),
        (["here/notes.txt"], "here", r"holds no picture \(\.bmp, "),
        (["here/a.png", "here/b.GIF"], "here", r"here/b\.GIF: .* are not read; save it as PNG"),
        (
            ["set/ground_truth/a.png"],
            "set",
            "good pictures and others.*put the pictures that are meant",
        ),
        (
            ["set/good/a.png", "set/dent/b.png"],
            "set",
            r"good pictures and others.*: \S+/set/good for good ones or \S+/set/dent for others$",
        ),
        (
            ["set/test/good/a.png"],
            "set",
            r"good pictures and others.*: \S+/set/test/good for good ones$",
        ),
    ],
)
def test_a_folder_that_will_not_do_is_refused(
    tmp_path: Path, files: list[str], folder: str, message: str
) -> None:
    touch(tmp_path, *files)
    with pytest.raises(PicturesError, match=message):
        list_pictures(tmp_path / folder)


def test_a_picture_is_read_as_the_service_reads_it(
    tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    data = picture_bytes(90, size=(40, 30), spot=200)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    spec = Preprocess(width=16, height=8, resize="area", crop=Crop(x=2, y=1, width=10, height=6))
    assert np.array_equal(read_picture(path), decode(data, 10_000))
    found = read_model_input(path, spec)
    assert found.shape == (6, 10, 3)
    assert np.array_equal(found, preprocess(decode(data, 10_000), spec))


def test_a_link_to_a_picture_that_is_not_there_is_no_picture_less(tmp_path: Path) -> None:
    touch(tmp_path, "here/a.png")
    (tmp_path / "here" / "b.png").symlink_to(tmp_path / "unmounted" / "b.png")
    (tmp_path / "here" / "c.png").symlink_to(tmp_path)
    found = list_pictures(tmp_path / "here")
    assert [path.name for path in found] == ["a.png", "b.png"]
    with pytest.raises(PicturesError, match=r"b\.png: "):
        read_picture(found[1])


@pytest.mark.parametrize("content", [None, b"", b"GIF89a and more"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PicturesError, match=r"a\.png: "):
        read_picture(path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("label", [1, 200, 255])
def test_a_mask_marks_what_is_not_black_however_low_its_labels(
    tmp_path: Path, kind: type[np.unsignedinteger], label: int
) -> None:
    labels = np.zeros((6, 8), kind)
    labels[2:4, 3:7] = label
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), labels)
    assert np.array_equal(read_mask(path), labels > 0)


def test_the_usual_size_is_that_of_upright_pictures(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[274] = 6
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        Pillow.new("RGB", (80, 40)).save(path, exif=exif)
    assert usual_size(paths) == InputSize(40, 80)
