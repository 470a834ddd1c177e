from pathlib import Path

import pytest

from export.calibration.copies import distinct
from export.errors import PicturesError


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
