"""What judgements tell of a model, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from takt.commands.columns import table_lines

if TYPE_CHECKING:
    from takt.recording.review.confusion import ConfusionOverTime
    from takt.recording.review.figures import EstimatedShare, ReviewFigures
    from takt.recording.review.proposal import Proposal
    from takt.recording.review.what_if import Flips

_TITLES = ("SINCE (UTC)", "INSPECTED", "REJECTED", "FALSE ALARMS", "SLIPS", "MISSED DEFECTS")


def confusion_lines(found: ConfusionOverTime) -> list[str]:
    """The figures of the whole time, then a line for each stretch of it."""
    return [*_whole(found.whole), *(_by_time(found) if len(found.buckets) > 1 else ())]


def proposal_lines(found: Proposal) -> list[str]:
    """A proposed threshold, what it would change, and how to put it in force."""
    change = found.what_if
    how = f"at most {found.alpha:g} of good parts" if found.alpha is not None else "best F1"
    whose = f"/v1/models/{found.model}/versions/{found.version}/threshold"
    return [
        f"threshold {change.threshold:.6g} proposed for {found.model}, version {found.version} "
        f"({how}); in force: {change.in_force:.6g}",
        f"found on {found.good} judged good, {found.defects} judged a defect",
        "",
        *_table(
            ("WOULD TURN ROUND", "TO PASS", "TO REJECT"),
            [
                _flips("judged good", change.flips_good),
                _flips("judged a defect", change.flips_defects),
                _flips("judged unsure", change.flips_unsure),
                _flips("all inspections", change.flips_all),
            ],
        ),
        "",
        *_table(
            ("", "BEFORE", "AFTER"),
            [
                (name, _share(getattr(change.before, field)), _share(getattr(change.after, field)))
                for name, field in (
                    ("good parts rejected", "false_reject_rate"),
                    ("defects missed", "miss_rate"),
                )
            ],
        ),
        "",
        *(f"note: {line}" for line in found.limits),
        f'nothing is changed; to do so: PUT {whose} {{"image": {change.threshold!r}, '
        '"reason": "…"}',
    ]


def _whole(figures: ReviewFigures) -> Iterator[str]:
    counts = figures.counts
    yield f"{figures.inspections} inspections, {figures.rejects} rejected"
    if not figures.inspections:
        return
    yield ""
    yield from _table(
        ("", "JUDGED DEFECT", "JUDGED GOOD"),
        [
            ("rejected", str(counts.true_rejects), str(counts.false_rejects)),
            ("passed", str(counts.slips), str(counts.true_passes)),
        ],
    )
    yield ""
    yield from _table(
        ("OF ALL INSPECTIONS, BY THE JUDGED ONES", "ESTIMATE (95 %)"),
        [
            ("false alarms: rejects that are good", _share(figures.false_alarms)),
            ("slips: passes that are defects", _share(figures.slips)),
            ("good parts rejected", _share(figures.false_reject_rate)),
            ("defects missed", _share(figures.miss_rate)),
            ("defects among all", _share(figures.defect_rate)),
        ],
    )
    for line in figures.limits:
        yield f"note: {line}"


def _by_time(found: ConfusionOverTime) -> Iterator[str]:
    from takt.recording.search.times import time_of

    yield ""
    yield from _table(
        _TITLES,
        [
            (
                f"{time_of(bucket.since_us):%Y-%m-%d %H:%M}",
                str(bucket.figures.inspections),
                str(bucket.figures.rejects),
                _share(bucket.figures.false_alarms),
                _share(bucket.figures.slips),
                _share(bucket.figures.miss_rate),
            )
            for bucket in found.buckets
        ],
    )


def _share(share: EstimatedShare) -> str:
    """A share as `2.5 % (0.8 to 7.1)`; a question mark where there is no estimate."""
    value = "?" if share.value is None else f"{100 * share.value:.3g} %"
    return f"{value} ({100 * share.interval.low:.3g} to {100 * share.interval.high:.3g})"


def _flips(name: str, flips: Flips) -> tuple[str, str, str]:
    return name, str(flips.to_pass), str(flips.to_reject)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table; all columns but the first end at their right edges."""
    return table_lines((titles, *rows), right=range(1, len(titles)))
