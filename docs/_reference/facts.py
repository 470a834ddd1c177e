"""The facts of pictures by which a change is told."""

from __future__ import annotations

from docs._reference.markdown import prose, table
from takt.core.pictures.facts import FACTS

_HEAD = ("fact", "its value")


def facts() -> str:
    """A row for each fact: its name and what its value means."""
    return table(_HEAD, ((f"`{fact.name}`", prose(fact.meaning)) for fact in FACTS))
