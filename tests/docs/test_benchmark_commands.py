"""Each benchmark that a page names has a short form that continuous integration runs."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from tests.e2e.test_benchmarks import FORMS
from tests.tree import ROOT, tracked

HISTORY = "docs/history.md"
NO_BENCHMARK = {"peers/setup.sh"}
"""Brings the other systems, and measures nothing."""

_WITH_COMMANDS = ("answers", "corpus", "station.virtual")
_NAMED = re.compile(
    r"\bbenchmarks(?:\.(?P<module>[a-z_]+(?:\.[a-z_]+)*)|/(?P<file>[\w/]+\.(?:py|sh)))"
    r"(?:[ \n]+(?P<command>[a-z][a-z-]+)\b)?"
)


def commands_of(text: str) -> set[str]:
    """The benchmarks that a text names: modules, with a command where they have several, or files.

    >>> commands_of("python -m benchmarks.corpus few --seeds 3, `benchmarks/peers/bench.py ours`")
    {'corpus few', 'peers/bench.py'}
    """
    found = set()
    for named in _NAMED.finditer(text):
        name = named["module"] or named["file"]
        with_command = name in _WITH_COMMANDS and named["command"]
        found.add(f"{name} {named['command']}" if with_command else name)
    return found


def pages() -> list[str]:
    return [
        one
        for one in tracked()
        if one == "README.md"
        or (one.startswith("docs/") and one.endswith((".md", ".ipynb")))
        or (one.startswith("benchmarks/") and one.endswith(".md"))
    ]


def named() -> dict[str, set[str]]:
    """The pages that name a benchmark, but for the page of those that are gone."""
    found: dict[str, set[str]] = defaultdict(set)
    for page in pages():
        if page != HISTORY:
            for command in commands_of((ROOT / page).read_text("utf-8")):
                found[command].add(page)
    return found


def is_there(name: str) -> bool:
    """Whether it can be started."""
    files = (name, f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__main__.py")
    return any((ROOT / "benchmarks" / file).is_file() for file in files)


def test_each_benchmark_that_a_page_names_has_a_short_form() -> None:
    lacking = {
        command: sorted(where)
        for command, where in named().items()
        if command not in {*FORMS, *NO_BENCHMARK}
    }
    assert lacking == {}, "give it a form in tests/e2e/test_benchmarks.py, or take it away"


def test_each_short_form_is_of_a_benchmark_that_a_page_names() -> None:
    assert sorted(set(FORMS) - set(named())) == []


@pytest.mark.parametrize("command", sorted(FORMS))
def test_continuous_integration_runs_each_form(command: str) -> None:
    marks = {mark.name for mark in getattr(FORMS[command], "pytestmark", [])}
    assert marks.isdisjoint({"slow", "gpu", "services", "browser", "release"})


def test_benchmarks_of_the_history_are_gone() -> None:
    told = commands_of((ROOT / HISTORY).read_text("utf-8"))
    assert len(told) > 10
    assert [one for one in sorted(told) if one in FORMS or is_there(one)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`python -m benchmarks.new_one --of 3`", {"new_one"}),
        ("    python -m benchmarks.corpus DATA --sets a", {"corpus"}),
        ("    python -m benchmarks.corpus teach DATA", {"corpus teach"}),
        ("python benchmarks/new/bench.py ours", {"new/bench.py"}),
        ("benchmarks/new.sh BUNDLE", {"new.sh"}),
        ("[engines](../benchmarks/engines.md), [peers](../benchmarks/peers)", set()),
    ],
)
def test_a_command_is_found_however_it_is_written(text: str, found: set[str]) -> None:
    assert commands_of(text) == found
