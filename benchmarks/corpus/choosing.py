"""Leave one out: what a set has with the setting that the other sets would choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.corpus.results import Result
from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.table import markdown

Aurocs = Mapping[str, Mapping[str, float]]
"""Image AUROC by setting and set; every setting has every set."""


@dataclass(frozen=True)
class LeftOut:
    """A set that had no say.

    Attributes:
        name: of the set.
        chosen: setting that has the best mean over the other sets.
        auroc: of the set with that setting.
        with_all: of the set with the setting that has the best mean over all.
    """

    name: str
    chosen: str
    auroc: float
    with_all: float


def aurocs_of(results: Sequence[Result]) -> Aurocs:
    """The AUROC of the sets that all results have.

    Raises:
        CorpusError: there are fewer than two results or two such sets, or two have one name.
    """
    names = [one.name for one in results]
    if len(set(names)) < max(2, len(names)):
        raise CorpusError(f"give at least two results of different names, not {', '.join(names)}")
    common = [name for name in results[0].by_set if all(name in one.by_set for one in results)]
    if len(common) < 2:
        raise CorpusError("these results have fewer than two sets in common")
    return {one.name: {name: one.by_set[name].image_auroc for name in common} for one in results}


def best(aurocs: Aurocs, without: str | None = None) -> str:
    """The setting with the highest mean over the sets, all or all but one; of equal ones the first.

    >>> aurocs = {"old": {"a": 0.9, "b": 0.5}, "new": {"a": 0.6, "b": 0.7}}
    >>> best(aurocs), best(aurocs, without="a")
    ('old', 'new')
    """
    return max(
        aurocs,
        key=lambda setting: fmean(
            auroc for name, auroc in aurocs[setting].items() if name != without
        ),
    )


def leave_one_out(aurocs: Aurocs) -> list[LeftOut]:
    """Each set, left out once."""
    of_all = best(aurocs)
    found = []
    for name, with_all in aurocs[of_all].items():
        chosen = best(aurocs, without=name)
        found.append(LeftOut(name, chosen, aurocs[chosen][name], with_all))
    return found


def report(aurocs: Aurocs) -> str:
    """The table, its summary and the gap."""
    found = leave_one_out(aurocs)
    rows = [
        [one.name, one.chosen, f"{one.auroc:.4f}", f"{one.with_all:.4f}", _gap(one)]
        for one in found
    ]
    left = sorted(one.auroc for one in found)
    every = sorted(one.with_all for one in found)
    summaries = {
        "mean": (fmean(left), fmean(every)),
        "worst but one": (left[1], every[1]),
        "worst": (left[0], every[0]),
    }
    for name, (one, other) in summaries.items():
        rows.append([f"**{name}**", "", f"{one:.4f}", f"{other:.4f}", f"{one - other:+.4f}"])
    of_all = best(aurocs)
    head = ["set left out", "the others choose", "image AUROC", f"with {of_all}", "gap"]
    differing = [f"{one.name} ({one.chosen})" for one in found if one.chosen != of_all]
    return "\n".join(
        [
            markdown(head, rows),
            "",
            f"all sets choose {of_all}; without one of these another is chosen: "
            f"{', '.join(differing) or 'none'}",
        ]
    )


def _gap(one: LeftOut) -> str:
    return f"{one.auroc - one.with_all:+.4f}"
