"""What to do about an alarm: the sections of the guide for operators, which this package carries.

The guide is `docs/operations.md`, to which the file of this package is a link, so that a plant
without internet has it at hand.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.resources import files

PAGE = "docs/operations.md"
"""Where the guide is in the project."""

_HEADING = re.compile(r"^(#{2,3}) (.+)$", re.MULTILINE)
_PAGE_OF_CONSOLE = re.compile(r"\]\(console\.md#(health|learn|live|models|review|try)\)")
_REFERENCE = re.compile(r"\]\(#([\w-]+)\)")


@dataclass(frozen=True, slots=True)
class GuideSection:
    """A section of the guide.

    Attributes:
        anchor: by which other sections refer to it.
        title: its heading.
        text: its Markdown, without the sections below it; a link to the description of a page of
            the console leads to the page itself.
    """

    anchor: str
    title: str
    text: str


class RunBook:
    r"""Finds sections by their anchors.

    >>> book = RunBook("## Full disk\n\nSee [room](#room).\n\n### Room\n\nMake some.\n")
    >>> [section.title for section in book.about("full-disk")]
    ['Full disk', 'Room']

    Args:
        text: of the guide, in Markdown.
    """

    def __init__(self, text: str) -> None:
        parts = _HEADING.split(text)[1:]
        sections = (
            GuideSection(
                anchor_of(title), title, _PAGE_OF_CONSOLE.sub(r"](/console/\1)", body.strip())
            )
            for title, body in zip(parts[1::3], parts[2::3], strict=True)
        )
        self._sections = {section.anchor: section for section in sections}

    def about(self, anchor: str) -> list[GuideSection]:
        """A section, and those that it refers to; none where there is no such section."""
        first = self._sections.get(anchor)
        if first is None:
            return []
        wanted = dict.fromkeys((anchor, *_REFERENCE.findall(first.text)))
        return [self._sections[one] for one in wanted if one in self._sections]


def anchor_of(title: str) -> str:
    """The anchor that a heading gets.

    >>> anchor_of("The p99 is over the cycle time")
    'the-p99-is-over-the-cycle-time'
    """
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@functools.cache
def run_book() -> RunBook:
    """The guide that this package carries; blocks when it is asked for the first time."""
    return RunBook((files(__package__) / "operations.md").read_text(encoding="utf-8"))
