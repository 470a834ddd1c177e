"""Folders of judged pictures, as they are written and read."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from takt.core.domain import Box
from takt.core.errors import ConfigurationError
from takt.core.judged import LINES, JudgedFile, read_judged

GOOD: dict[str, Any] = {"file": "good/a.png", "sha256": "0a" * 32, "judgement": "good"}
MARKED = JudgedFile(
    file="defect/inspection-12.png",
    sha256="1b" * 32,
    judgement="defect",
    kind="scratch",
    box=Box(3, 4, 10, 20),
    inspection=12,
    judgement_id=34,
    reviewer="ann",
    judged_at=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
    model="nut",
    version="3",
)


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def write_lines(folder: Path, *lines: dict[str, Any] | bytes) -> None:
    whole = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    (folder / LINES).write_bytes(b"\n".join(whole))


def test_a_line_has_what_was_said_of_a_picture() -> None:
    assert json.loads(MARKED.line()) == {
        "file": "defect/inspection-12.png",
        "sha256": "1b" * 32,
        "inspection": 12,
        "judgement_id": 34,
        "judgement": "defect",
        "kind": "scratch",
        "box": [3, 4, 10, 20],
        "reviewer": "ann",
        "judged_at": "2026-03-01T12:00:00.000005Z",
        "model": "nut",
        "version": "3",
        "disputed": False,
    }
    assert MARKED.line().endswith(b"\n")


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    plain = JudgedFile(**GOOD)
    put(tmp_path, MARKED.file, plain.file)
    (tmp_path / LINES).write_bytes(MARKED.line() + b"\n" + plain.line())
    assert read_judged(tmp_path) == (MARKED, plain)


def test_fields_of_a_later_release_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "good/a.png")
    write_lines(tmp_path, GOOD | {"colour": "red"})
    assert read_judged(tmp_path) == (JudgedFile(**GOOD),)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"file": None}, "file is missing"),
        ({"file": "good/b.png"}, "no picture good/b.png in the folder"),
        ({"file": "good"}, "no picture good in the folder"),
        ({"file": "../a.png"}, "leaves the folder; name a path below it"),
        ({"file": "good/../../a.png"}, "leaves the folder"),
        ({"file": "/etc/passwd"}, "leaves the folder"),
        ({"file": "good\\..\\a.png"}, "leaves the folder"),
        ({"file": "good/link.png"}, "is a link that leaves the folder"),
        ({"file": "a\0.png"}, "file: it is no text of one line"),
        ({"sha256": "0a"}, "sha256: it is no SHA-256 in hex"),
        ({"sha256": "0A" * 32}, "sha256: it is no SHA-256 in hex"),
        ({"judgement": "unsure"}, "judgement: it is neither good nor defect"),
        ({"judgement": "defect", "kind": 7}, "kind: it is no text"),
        ({"judgement": "defect", "kind": "a\nb"}, "kind: it is no text of one line"),
        ({"kind": "dent"}, "a good part has neither a kind nor a box"),
        ({"box": [0, 0, 1, 1]}, "a good part has neither a kind nor a box"),
        ({"judgement": "defect", "box": {"x": 1}}, r"box: it is not \[x, y, width, height\]"),
        ({"judgement": "defect", "box": [0, 0, 1]}, "box: it is not"),
        ({"judgement": "defect", "box": [0, -1, 1, 1]}, "box: it is not"),
        ({"judgement": "defect", "box": [0, 0, 0, 1]}, "box: it is not"),
        ({"judgement": "defect", "box": [0, 0, 1.5, 1]}, "box: it is not"),
        ({"judgement": "defect", "box": [0, 0, True, 1]}, "box: it is not"),
        ({"inspection": "12"}, "inspection: it is no number"),
        ({"judgement_id": 0}, "judgement_id: it is no number"),
        ({"judged_at": "yesterday"}, "judged_at: it is no time such as"),
        ({"judged_at": "2026-03-01T12:00:00"}, "judged_at: it is no time such as"),
        ({"judged_at": 7}, "judged_at: it is no time such as"),
        ({"judged_at": "0001-01-01T00:00:00+01:00"}, "judged_at: it is no time such as"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    folder = tmp_path / "judged"
    put(tmp_path, "a.png", "judged/good/a.png", "judged/good/first.png")
    (folder / "good/link.png").symlink_to(tmp_path / "a.png")
    write_lines(folder, GOOD | {"file": "good/first.png"}, GOOD | changed)
    with pytest.raises(ConfigurationError, match=rf"{LINES}, line 2: .*{says}.*correct or remove"):
        read_judged(folder)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"nonsense", "it is no JSON"),
        (b"[1]", "it is no JSON object"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[" * 70_000, "it is no JSON"),
        (json.dumps(GOOD).encode(), "file: good/a.png has line 1 already"),
    ],
)
def test_what_is_no_line_is_refused(tmp_path: Path, line: bytes, says: str) -> None:
    put(tmp_path, "good/a.png")
    write_lines(tmp_path, GOOD, line)
    with pytest.raises(ConfigurationError, match=f"line 2: .*{says}"):
        read_judged(tmp_path)


def test_without_lines_folders_say_what_pictures_are(tmp_path: Path) -> None:
    names = ("defect/b.png", "defect/dent/deep/c.jpg", "good/a.PNG", "good/shift/d.tif")
    put(tmp_path, *names, "good/.hidden.png", "good/notes.txt", "other/e.png", "defect/.x/f.png")
    found = {one.file: one for one in read_judged(tmp_path)}
    assert sorted(found) == sorted(names)
    assert {name: (one.judgement, one.kind, one.box) for name, one in found.items()} == {
        "defect/b.png": ("defect", None, None),
        "defect/dent/deep/c.jpg": ("defect", "dent", None),
        "good/a.PNG": ("good", None, None),
        "good/shift/d.tif": ("good", None, None),
    }
    assert found["defect/b.png"].sha256 == hashlib.sha256(b"defect/b.png").hexdigest()
    assert found["defect/b.png"].judged_at is None


@pytest.mark.parametrize("name", [b"defect/kr\xfcmel/a.png", b"good/gut-\xfc.png"])
def test_a_name_that_no_line_can_have_is_refused_before_anything_is_taught(
    tmp_path: Path, name: bytes
) -> None:
    put(tmp_path, "defect/b.png")
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(ConfigurationError, match=r"\\udcfc.* is no name in UTF-8.*: rename that"):
        read_judged(tmp_path)


@pytest.mark.parametrize("name", ["good/a.gif", "defect/scratch/b.HEIC"])
def test_a_picture_of_a_kind_that_is_not_read_is_named_and_not_left_out(
    tmp_path: Path, name: str
) -> None:
    for file in ("defect/c.png", name, "good/.d.gif"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"a picture")
    with pytest.raises(ConfigurationError, match=f"{name}: .* are not read; save it as PNG"):
        read_judged(tmp_path)
    (tmp_path / name).unlink()
    assert [one.file for one in read_judged(tmp_path)] == ["defect/c.png"]


@pytest.mark.parametrize("has_lines", [True, False])
def test_a_folder_without_pictures_says_what_it_needs(tmp_path: Path, has_lines: bool) -> None:
    if has_lines:
        (tmp_path / LINES).touch()
    with pytest.raises(ConfigurationError, match="no judged pictures; it needs pictures in"):
        read_judged(tmp_path)
