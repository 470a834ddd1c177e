"""What the console shows of the guide for operators can be read there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from takt.observing.status.conditions import CONDITIONS, Condition
from takt.observing.status.run_book import RunBook, run_book

OF_CONDITION = pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: one.name)
COMMAND = re.compile(r"`(?:curl|jq|promtool|ss|takt verify) [^`]+`")


def texts_of(condition: Condition) -> list[str]:
    return [section.text for section in run_book().about(condition.name.lower())]


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """Each block of code, with the line above it."""
    above, code = "", ""
    for line in (*text.split("\n"), "end"):
        if line.startswith("    "):
            code += line[4:] + "\n"
            continue
        if code:
            yield above, code
            code = ""
        above = line or above


def commands_of(code: str) -> int:
    """How many commands a block has; one may go on in the next line."""
    count, begun = 0, ""
    for line in code.splitlines():
        begun += line + "\n"
        try:
            shlex.split(begun)
        except ValueError:  # A quotation, or the line's end, is open.
            continue
        if not line.endswith("\\"):
            count, begun = count + 1, ""
    return count


@OF_CONDITION
def test_each_command_stands_alone_below_a_sentence_that_says_what_it_does(
    condition: Condition,
) -> None:
    for text in texts_of(condition):
        for above, code in blocks_of(text):
            assert above.endswith(":"), code
            assert commands_of(code) == 1, code


@OF_CONDITION
def test_no_command_is_hidden_in_a_sentence(condition: Condition) -> None:
    assert [COMMAND.findall(text) for text in texts_of(condition) if COMMAND.search(text)] == []


def test_a_page_of_the_console_is_named_by_its_address_and_other_links_stay() -> None:
    text = (
        "See [Review](console.md#review), [a box](console.md#judging-where-it-is-seen), [x](y.md)."
    )
    (section,) = RunBook(f"## Look\n\n{text}\n").about("look")
    assert section.text == text.replace("console.md#review", "/console/review")
