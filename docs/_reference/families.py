"""Every family of detectors that can be learned."""

from __future__ import annotations

from docs._reference.markdown import prose, table
from takt.core.families.every import learnable
from takt.core.families.family import Family

_HEAD = ("`--family`", "what it is good for", "its fit", "`--encoder`", "`--update`", "`--search`")


def families() -> str:
    """A row for each family: name, purpose, time of its fit, and which options it takes."""
    return table(_HEAD, map(_row, learnable()))


def _row(family: Family) -> tuple[str, ...]:
    takes = (family.takes_encoder, family.takes_more, family.is_searched)
    said = ("yes" if one else "no" for one in takes)
    return f"`{family.name}`", prose(family.about), _time(family), *said


def _time(family: Family) -> str:
    """How long the fit takes, in words."""
    assert family.fit_s is not None
    if family.is_trained:
        return f"`--minutes`, {family.fit_s / 60:g} without"
    return f"about {family.fit_s:g} s"
