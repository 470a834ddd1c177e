"""`docs/security.md` claims nothing that no test holds."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
HOLDS, _, DOES_NOT_HOLD = PAGE.partition("\n## What holds\n")[2].partition(
    "\n## What does not hold\n"
)
NAMED = re.compile(r"`((?:tests|clients/python/tests|plugins/\w+/tests)/[\w/]+\.py)::(\w+)`")


def rows(section: str) -> list[tuple[str, str]]:
    """(claim, tests) of each row of the tables."""
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return [(cell[0], cell[-1]) for cell in cells if cell[0] != "claim"]


@functools.cache
def names_of_tests(file: Path) -> set[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_"
    }


def test_the_page_has_claims() -> None:
    assert len(rows(HOLDS)) > 30
    assert "What does not hold" in PAGE


@pytest.mark.parametrize("claim, tests", rows(HOLDS), ids=[claim[:60] for claim, _ in rows(HOLDS)])
def test_a_claim_names_tests_that_exist(claim: str, tests: str) -> None:
    named = NAMED.findall(tests)

    assert named, "name the test that holds this claim, as `tests/…/test_x.py::test_y`"
    assert NAMED.sub("", tests).strip(", ") == "", "only tests belong into this column"
    for file, test in named:
        assert (ROOT / file).is_file(), f"there is no {file}"
        assert test in names_of_tests(ROOT / file), f"{file} has no {test}"


def test_tests_that_are_named_elsewhere_on_the_page_exist() -> None:
    for file, test in NAMED.findall(DOES_NOT_HOLD):
        assert test in names_of_tests(ROOT / file), f"{file} has no {test}"


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "CONTRIBUTING.md"])
def test_readers_are_led_to_the_page(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")

    assert re.search(r"\]\((?:docs/)?security\.md(?:#[\w-]+)?\)", text)
