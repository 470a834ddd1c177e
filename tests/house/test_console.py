"""The console stays small, takes nothing from elsewhere, and makes no markup of texts."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "service/console/static"
VENDOR = STATIC / "vendor"
GENERATED = STATIC / "core/operations.js"
OURS = sorted(
    path
    for path in STATIC.rglob("*")
    if path.suffix in (".js", ".css", ".html") and VENDOR not in path.parents and path != GENERATED
)

_MOST_LINES = 3500
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
