"""The console stays small, takes nothing from elsewhere, and makes no markup of texts."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "service/takt/console/static"
VENDOR = STATIC / "vendor"
GENERATED = STATIC / "core/operations.js"
OURS = sorted(
    path
    for path in STATIC.rglob("*")
    if path.suffix in (".js", ".css", ".html") and VENDOR not in path.parents and path != GENERATED
)

_MOST_LINES = 6450
_MOST_SENT_BYTES = 400_000
_MOST_COLUMNS = 150


def test_our_own_lines_are_few() -> None:
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in OURS)
    assert lines < _MOST_LINES


def test_all_of_it_is_sent_in_a_moment() -> None:
    sent = (".js", ".css", ".html", ".svg", ".json")
    files = [path for path in STATIC.rglob("*") if path.suffix in sent]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < _MOST_SENT_BYTES


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(STATIC)))
def test_a_file_is_one_concept_and_never_makes_markup_of_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 350
    assert max(map(len, text.splitlines())) <= _MOST_COLUMNS
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "dangerously", "document.write"):
        assert word not in text
    assert not re.search(r"""["'`]https?://(?!www\.w3\.org/)""", text)


def test_dates_are_written_by_one_module() -> None:
    """Names of months and weekdays are the calendar's alone."""
    ways = re.compile(r"DateTimeFormat|\.toLocale|\.toDateString")
    found = [path.name for path in OURS if ways.search(path.read_text("utf-8"))]
    assert found == ["calendar.js"]


def test_a_folder_of_modules_is_seen_at_a_glance() -> None:
    for folder in {path.parent for path in OURS}:
        assert len([path for path in folder.glob("*.js")]) <= 13, folder


def test_what_others_made_is_unchanged_and_has_its_licence() -> None:
    text = (VENDOR / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\S+) \|.*\((.*)\) \| `(\w+)` \|$", text, re.M)
    files = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert {name for name, _, _ in rows} == files
    for name, licences, digest in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        assert all((VENDOR / licence).is_file() for licence in licences.split(", "))


def test_every_operation_that_is_called_is_one_of_the_api() -> None:
    known = set(re.findall(r"^  (\w+): ", GENERATED.read_text("utf-8"), re.M))
    called = set()
    for path in OURS:
        called |= set(re.findall(r"""\b(?:call|url)\(\s*"(\w+)\"""", path.read_text("utf-8")))
    assert called and called <= known


def test_every_text_that_is_asked_for_is_there() -> None:
    texts = json.loads((STATIC / "strings/en.json").read_text("utf-8"))
    for path in (path for path in OURS if path.suffix == ".js"):
        source = path.read_text("utf-8")
        names = {"t": texts}
        for alias, section in re.findall(r"\bconst (\w+) = t\.(\w+);", source):
            names[alias] = texts[section]
        for alias, known in names.items():
            for key in set(re.findall(rf"(?<![\w.$]){alias}\.(\w+)", source)):
                assert key in known, f"{path.name}: {alias}.{key}"
        for section, key in set(re.findall(r"(?<![\w.$])t\.(\w+)\.(\w+)", source)):
            assert key in texts[section], f"{path.name}: t.{section}.{key}"
