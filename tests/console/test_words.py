"""The page Words: one list of what the console's words mean, and what engineers say instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from takt.core.pictures.facts import FACT_NAMES
from takt.core.pictures.judgeable import DECIDERS
from tests.console.conftest import ROOT, Serve

pytestmark = pytest.mark.browser

STATIC = ROOT / "service/takt/console/static"
OF_ENGINEERS = (
    *("bundle's own", "policy all", "golden", "made_up_missed", "in thresholds", "p99"),
    *("ExecutionProvider", "anomaly map", "calibration's"),
)
"""What the console said before it had a list."""


def test_a_question_mark_leads_to_what_a_word_means(page: Page, serve: Serve) -> None:
    page.goto(f"{serve().url}/console/models/pitting")
    page.get_by_role("link", name="What “Threshold of the score” means").click()
    expect(page).to_have_url(re.compile(r"/console/words#own-threshold$"))
    meant = page.locator("dt.meant")
    expect(meant).to_contain_text("The model's own threshold")
    expect(meant).to_contain_text("engineers say: the bundle's threshold")
    expect(meant).to_be_in_viewport()


def test_engineers_words_stand_in_the_list_alone() -> None:
    texts = json.loads((STATIC / "strings/en.json").read_text("utf-8"))
    texts.pop("words", None)
    said = "\n".join(texts_of(texts))
    assert [word for word in OF_ENGINEERS if word in said] == []


def texts_of(texts: Any) -> Iterator[str]:
    if isinstance(texts, str):
        yield texts
    else:
        for one in texts.values() if isinstance(texts, dict) else texts:
            yield from texts_of(one)


def test_every_question_mark_has_a_word_behind_it() -> None:
    words = json.loads((STATIC / "strings/en.json").read_text("utf-8"))["words"]["list"]
    scripts = "".join(path.read_text("utf-8") for path in STATIC.glob("[cmp]*/**/*.js"))
    asked = re.findall(r'<\$\{Term\} of="([\w-]+)"', scripts)
    assert asked
    assert [one for one in asked if one not in words] == []


def test_every_fact_has_words() -> None:
    watched = json.loads((STATIC / "strings/en.json").read_text("utf-8"))["watch"]["facts"]
    assert watched.keys() - {"rejected"} == set(FACT_NAMES)
    assert {fact for fact in FACT_NAMES if watched[fact].keys() != {"name", "low", "high"}} == set()


def test_every_fact_that_decides_has_words_on_each_side() -> None:
    undecided = json.loads((STATIC / "strings/en.json").read_text("utf-8"))["undecided"]
    assert undecided["low"].keys() == DECIDERS.keys()
    above = {name for name, decider in DECIDERS.items() if decider.too_high is not None}
    assert undecided["high"].keys() == above
