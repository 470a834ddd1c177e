from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from plugins.msa.tests.attribute_study import part, worked_example
from takt_msa.analysis import StudyContext, StudyFact, analyse
from takt_msa.report.document import study_json
from takt_msa.report.page import study_html
from takt_msa.report.strip import MOST_ROWS, score_strip
from takt_msa.report.table import study_table
from takt_msa.study import Study, StudyNote, study_of

HOSTILE = "<script>alert(\"x\")</script> & 'co'"
CONTEXT = StudyContext(
    title="bolt, version 1",
    source="pictures in study",
    analysed_at="2026-01-01T00:00:00+00:00",
    facts=(StudyFact("bundle", HOSTILE),),
)


class Page(HTMLParser):
    """The tags and words of a page; refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def small() -> Study:
    repeated = StudyNote("pictures that repeat another", (f"good/{HOSTILE}.png",), grave=True)
    parts = [
        part(HOSTILE, False, 0.1, 0.2),
        part("flips", False, 0.4, 0.6),
        part("bad", True, 0.8, 0.9),
    ]
    return study_of(("bolt, version 1",), parts, 0.5, [repeated])


def test_the_page_says_the_verdict_and_loads_nothing(small: Study) -> None:
    page = Page(study_html(analyse(small), CONTEXT))

    assert "By its values the inspection is not acceptable" in " ".join(page.words.split())
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe")]
    assert not [one for _, one in page.tags if "src" in one or "href" in one]
    policy = [one["content"] for tag, one in page.tags if tag == "meta" and "http-equiv" in one]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_names_repeated_files_and_parts_that_flip(small: Study) -> None:
    page = Page(study_html(analyse(small), CONTEXT))

    assert f"good/{HOSTILE}.png" in page.words
    assert "1 of 2 (flips)" in page.words
    assert "Repeating a file is not repeating a placement" in page.words


def test_names_in_the_page_are_escaped(small: Study) -> None:
    text = study_html(analyse(small), CONTEXT)

    assert "<script" not in text
    assert HOSTILE in Page(text).words


def test_the_page_of_several_appraisers_has_figures_of_each_and_between_them() -> None:
    words = Page(study_html(analyse(worked_example()), CONTEXT)).words

    for heading in ("Figures: A", "Figures: C", "Between appraisers", "kappa of A and B"):
        assert heading in words
    for figure in ("84.0 %", "70.9 to 92.8 %", "0.88", "0.86"):
        assert figure in words


def test_the_page_bears_a_study_in_which_everything_is_rejected() -> None:
    parts = [part("a", False, 0.7, 0.8), part("b", True, 0.7, 0.7)]

    words = Page(study_html(analyse(study_of(("model",), parts, 0.5)), CONTEXT)).words

    assert "there is no zone of doubt" in words


def test_the_chart_has_the_parts_nearest_to_the_threshold() -> None:
    good = [part(f"g{number}", False, number / 1000, number / 1000 + 0.01) for number in range(90)]
    made = study_of(("model",), [*good, part("bad", True, 90.0, 95.0)], 0.5)
    strip = score_strip(analyse(made).scores)

    assert (len(strip.rows), strip.left_out) == (MOST_ROWS, 11)
    assert strip.rows[0].name == "bad" or strip.rows[0].name == "g89"
    assert all(0 <= place <= 1 for row in strip.rows for place in row.scores)


def test_a_long_name_keeps_both_ends_in_the_chart() -> None:
    name = "spindle-" + 30 * "x" + "-0815"
    made = study_of(("m",), [part(name, False, 0.1, 0.2), part("bad", True, 0.8, 0.9)], 0.5)

    rows = score_strip(analyse(made).scores).rows

    assert rows[1].name.startswith("spindle-")
    assert rows[1].name.endswith("-0815")
    assert len(rows[1].name) < len(name)
    assert name in rows[1].told


def test_the_json_has_every_figure_part_and_decision() -> None:
    found = json.loads(study_json(analyse(worked_example()), CONTEXT))

    first = found["appraisers"][0]
    assert first["effectiveness"]["value"] == pytest.approx(0.84)
    assert first["effectiveness"]["interval"] == pytest.approx([0.709, 0.928], abs=1e-3)
    assert first["miss_rate"]["limit"] == {"acceptable": 0.02, "marginal": 0.05, "least": False}
    assert [len(found["parts"]), found["good_parts"], found["defective_parts"]] == [50, 34, 16]
    assert found["parts"][5]["trials"][2]["rejected"] == [True, True, True]
    assert found["between"]["agreement"]["count"] == 39


def test_the_json_of_one_appraiser_has_nothing_between(small: Study) -> None:
    found = json.loads(study_json(analyse(small), CONTEXT))

    assert found["between"] is None
    assert found["scores"]["flipping"] == ["flips"]
    assert found["notes"][0]["names"] == [f"good/{HOSTILE}.png"]


def test_the_table_has_the_figures_the_flips_and_the_warnings(small: Study) -> None:
    text = study_table(analyse(small), CONTEXT)

    assert text.startswith("bolt, version 1: 2 good and 1 defective parts, 6 trials\n")
    assert "bolt, version 1: not acceptable by its values" in text
    assert "parts that flip     1: flips" in text
    assert f"warning: pictures that repeat another: good/{HOSTILE}.png" in text


def test_the_table_of_several_appraisers_compares_each_two() -> None:
    text = study_table(analyse(worked_example()), CONTEXT)

    assert "kappa of A and B" in text
    assert "all agree with reference  39 of 50 parts" in text
