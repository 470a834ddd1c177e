"""What speaks against a model: each finding with its rule, its text and its remedy, once.

The rules are coarse on purpose: a finding is a reason to look before the model is served, and a
model without any may still miss real defects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from takt.core.bundles.findings import Finding, FitRecord, PictureSizes, SizeResult
from takt.core.domain import FindingCode, Json
from takt.core.families.every import known, usual
from takt.digits import short
from takt_export.calibration.odd_pictures import OddPictures
from takt_export.calibration.two_groups import TwoGroups

FEWEST_PICTURES = 20
REJECTED_SHARE = 0.5
"""Share of the good pictures from which on rejecting them is a finding."""

MADE_UP_SHARE = 0.2
"""Share of the made-up defects below which finding so few is a finding."""

FEWEST_REAL = 10
"""Fewest given defects that say more than made-up ones."""

MISSED_SHARE = 0.5
"""Share of the given defects from which on missing them is a finding."""

REPEATED_SHARE = 0.05
"""Share of the good pictures from which on repeating others is a finding."""

OTHER_SIZE_SHARE = 0.1
MOST_NAMED = 20
"""Most odd pictures that a finding names."""

HIGHER_ALPHAS = (0.05, 0.1)
"""Of those shares it has been measured that they find more."""

_FINDS_TOO_LITTLE: frozenset[FindingCode] = frozenset({"made_up_missed", "defects_missed"})

EXAMPLES = 3
"""Pictures of a group that a finding names."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a model and of the pictures that its thresholds rest on.

    Attributes:
        family: of the model.
        fit: what is known of its fit.
        good: number of good pictures that were looked at: those that calibrate, if there are any.
        rejected: number of those above the threshold.
        copies: number of files that were left out as copies.
        repeated: number of further pictures that nearly repeat others.
        parts: number of parts that the good pictures show, each of which counts once.
        sizes: (width, height) of each good picture.
        defects: number of the given defects.
        missed: number of those that the threshold misses.
        made_up: results on made-up defects by size, the smallest first.
        odd: good pictures of which one makes the threshold; None if none does.
        groups: two groups of good pictures; None if they are one.
        alpha: false-reject rate of the thresholds; None if good pictures gave none.
    """

    family: str
    fit: FitRecord
    good: int
    rejected: int
    copies: int
    repeated: int
    parts: int
    sizes: tuple[tuple[int, int], ...]
    defects: int
    missed: int
    made_up: tuple[SizeResult, ...]
    odd: OddPictures | None = None
    groups: TwoGroups | None = None
    alpha: float | None = None


def find(evidence: Evidence) -> tuple[Finding, ...]:
    """All that speaks against a model, the gravest first."""
    found = (rule(evidence) for rule in RULES)
    return tuple(one for one in found if one is not None)


def _good_rejected(evidence: Evidence) -> Finding | None:
    if not evidence.good or evidence.rejected < REJECTED_SHARE * evidence.good:
        return None
    return Finding(
        code="good_rejected",
        text=f"the threshold rejects {evidence.rejected} of {evidence.good} good pictures",
        remedy="if the model was fitted on another part, fit it on pictures of this one; else find "
        "its thresholds anew (`takt calibrate`)",
    )


def _made_up_missed(evidence: Evidence) -> Finding | None:
    found = sum(size.found for size in evidence.made_up)
    made = sum(size.defects for size in evidence.made_up)
    # Real defects that are found say more than made-up ones that are not.
    finds_real = evidence.defects >= FEWEST_REAL and 2 * evidence.missed <= evidence.defects
    if finds_real or found >= MADE_UP_SHARE * made:
        return None
    return Finding(
        code="made_up_missed",
        text=f"the model finds {found} of {made} made-up defects, which are up to "
        f"{evidence.made_up[-1].side_px} pixels large",
        remedy=f"do not serve it so: {_find_more(evidence)}",
    )


def _odd_picture(evidence: Evidence) -> Finding | None:
    odd = evidence.odd
    if odd is None:
        return None if evidence.groups is None else _of_groups(evidence.groups)
    named = [name for name in odd.names if name is not None]
    listed = ", ".join(named[:MOST_NAMED]) or "of a former fit"
    if len(named) > MOST_NAMED:
        listed += ", …"
    one = len(odd.names) == 1
    scores, it, this_is = ("scores", "it", "this is") if one else ("score", "them", "these are")
    if odd.left_out:
        threshold = f"the thresholds are by the others, and reject {it}"
        good = f"if {this_is} good, give more pictures like {it}"
    else:
        threshold = (
            f"the threshold of the score is {short(odd.threshold)} with {it}, and would be "
            f"{short(odd.without)} without"
        )
        good = f"if {this_is} good, give more pictures like {it}, or a higher alpha"
    return Finding(
        code="odd_picture",
        text=f"{len(odd.names)} of {odd.count} good pictures {scores} far above the others "
        f"({listed}): {threshold}",
        remedy=f"look at {it}: take away what shows no good part or is badly taken, and learn "
        f"anew; {good}",
    )


def _of_groups(groups: TwoGroups) -> Finding:
    return Finding(
        code="odd_picture",
        text=f"the scores of good pictures are of two groups, {groups.low} around "
        f"{short(groups.low_mean)} and {groups.high} around {short(groups.high_mean)} (such as "
        f"{', '.join(groups.names[:EXAMPLES])}): the thresholds are those of the higher one",
        remedy="look at these pictures: if they show another kind of part, or another camera or "
        "light, learn a model of each; else give more pictures like them",
    )


def _defects_missed(evidence: Evidence) -> Finding | None:
    if not evidence.defects or evidence.missed < MISSED_SHARE * evidence.defects:
        return None
    return Finding(
        code="defects_missed",
        text=f"the threshold misses {evidence.missed} of the {evidence.defects} given defects",
        remedy=_find_more(evidence),
    )


def _find_more(evidence: Evidence) -> str:
    """What has been shown to find more defects; `docs/self-test.md` has by how much."""
    tried = " or ".join(map(str, _higher_than(evidence.alpha or 0.0)))
    alpha = f"a higher alpha{tried and f' ({tried})'} finds more and rejects more good parts"
    of = known(evidence.family)
    if of is not None and not of.is_trained:
        return alpha
    return f"learn a bank ({usual().name}) of the same pictures, or fit longer; {alpha}"


def _higher_than(alpha: float) -> list[float]:
    return [one for one in HIGHER_ALPHAS if one > alpha]


def advice(family: str, alpha: float | None, found: Iterable[Finding]) -> list[Json]:
    """The settings that remedies name, for programs that can learn again with them.

    >>> missed = Finding(code="made_up_missed", text="", remedy="")
    >>> advice("patchcore", 0.01, [missed])
    [{'setting': 'alpha', 'value': 0.05}]
    >>> advice("efficientad", 0.1, [missed])
    [{'setting': 'family', 'value': 'patchcore'}]

    Args:
        family: of the model.
        alpha: its share of good pictures that may be rejected; None if nothing is promised.
        found: what speaks against it.
    """
    codes = {one.code for one in found}
    given: list[Json] = []
    of = known(family)
    if of is not None and of.is_trained and codes & {*_FINDS_TOO_LITTLE, "few_steps"}:
        given.append({"setting": "family", "value": usual().name})
    higher = [] if alpha is None else _higher_than(alpha)
    if higher and codes & _FINDS_TOO_LITTLE:
        given.append({"setting": "alpha", "value": higher[0]})
    return given


def _few_steps(evidence: Evidence) -> Finding | None:
    steps, family = evidence.fit.steps, known(evidence.family)
    if steps is None or family is None or steps >= family.fewest_steps:
        return None
    return Finding(
        code="few_steps",
        text=f"the fit took {steps} steps; {family.a_title} needs {family.fewest_steps} or more",
        remedy="fit it again for more minutes, or on a faster machine, or take a family that "
        f"needs no training ({usual().name})",
    )


def _few_pictures(evidence: Evidence) -> Finding | None:
    pictures = evidence.fit.pictures
    if pictures is None or pictures >= FEWEST_PICTURES:
        return None
    return Finding(
        code="few_pictures",
        text=f"the fit saw {pictures} good picture{'s' if pictures > 1 else ''}; fewer than "
        f"{FEWEST_PICTURES} show little of how good parts vary",
        remedy="take pictures of more good parts, and fit again",
    )


def _duplicate_pictures(evidence: Evidence) -> Finding | None:
    repeats = evidence.copies + evidence.repeated
    files = repeats + evidence.parts
    if not repeats or repeats < REPEATED_SHARE * files:
        return None
    counted = "" if not evidence.copies else f" ({evidence.copies} are the same file)"
    repeat = "repeats" if repeats == 1 else "repeat"
    return Finding(
        code="duplicate_pictures",
        text=f"{repeats} of {files} good pictures {repeat} others{counted}; {evidence.parts} parts "
        "count, each once",
        remedy="take one picture of each part, as parts come; where parts are told wrongly, name "
        "them by the option group of the command",
    )


def _other_size(evidence: Evidence) -> Finding | None:
    fitted = evidence.fit.sizes
    if fitted is None:
        return None
    others = [size for size in evidence.sizes if not fitted.holds(*size)]
    if not others or len(others) < OTHER_SIZE_SHARE * len(evidence.sizes):
        return None
    have = "has" if len(others) == 1 else "have"
    return Finding(
        code="other_size",
        text=f"{len(others)} of {len(evidence.sizes)} good pictures {have} another size, such as "
        f"{others[0][0]}x{others[0][1]}, than those of the fit, {_range_text(fitted)}",
        remedy="give pictures as the fit saw them, or fit again on pictures as the line takes them",
    )


def _range_text(sizes: PictureSizes) -> str:
    least = f"{sizes.least_width}x{sizes.least_height}"
    most = f"{sizes.most_width}x{sizes.most_height}"
    return least if least == most else f"{least} to {most}"


RULES: tuple[Callable[[Evidence], Finding | None], ...] = (
    _good_rejected,
    _made_up_missed,
    _odd_picture,
    _defects_missed,
    _few_steps,
    _few_pictures,
    _duplicate_pictures,
    _other_size,
)
