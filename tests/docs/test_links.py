"""Links between files of the repository, as a Git host shows them; README.md is in no site."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.tree import tracked

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)[^)\s]*\)")
_CODE = re.compile(r"^(```.*?^```|(?: {4}|\t).*?$)|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def written() -> list[str]:
    # A link to a page is there for the wheel.
    return [one for one in tracked() if one.endswith(".md") and not (ROOT / one).is_symlink()]


@pytest.mark.parametrize("page", written())
def test_every_link_of_a_page_leads_to_a_file_or_folder(page: str) -> None:
    text = _CODE.sub("", (ROOT / page).read_text("utf-8"))
    dead = [
        to for to in _LINK.findall(text) if not (ROOT / page).parent.joinpath(unquote(to)).exists()
    ]
    assert dead == []


def test_links_are_found() -> None:
    found = [_LINK.findall(_CODE.sub("", (ROOT / page).read_text("utf-8"))) for page in written()]
    assert sum(map(len, found)) > 200
    assert _LINK.findall("[a](b.md#c) ![d](e.png) [f](https://g) [h](#i)") == ["b.md", "e.png"]
