"""What the run book has somebody press is written on the console."""

from __future__ import annotations

import re

import pytest

from tests.tree import ROOT

_OF_OTHERS = {"Status > Targets"}
_STRINGS = (ROOT / "service/takt/console/static/strings/en.json").read_text("utf-8")
_ITALIC = re.compile(r"(?<![*\w])\*([A-Z][^*]+)\*(?!\*)")
_NAMED = sorted(set(_ITALIC.findall((ROOT / "docs/operations.md").read_text("utf-8"))) - _OF_OTHERS)


@pytest.mark.parametrize("name", _NAMED)
def test_a_button_of_the_run_book_is_on_the_console(name: str) -> None:
    words = re.sub(r"\d+|…", "{version}", name)
    assert f'"{words}"' in _STRINGS
