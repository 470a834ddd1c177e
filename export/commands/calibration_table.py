"""A calibration as people read it: what each rule's thresholds do, and what they promise."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from export.wording import aligned, share

if TYPE_CHECKING:
    from export.bundling.recalibrate import Recalibration, Rule
    from export.calibration.tradeoff import Counts

NAMES: dict[Rule | None, str] = {
    None: "until now",
    "conformal": "conformal",
    "best-f1": "best F1",
    "cost": "least cost",
}
WIDTH = 100


def calibration_table(found: Recalibration) -> str:
    """The thresholds of each rule with their counts, the guarantee in words, and the choice."""
    manifest = found.bundle.manifest
    counts = found.chosen.of_image
    lines = [
        f"{manifest.name} version {manifest.version}: {counts.good} good pictures"
        + (f" and {counts.defective} defective ones" if counts.defective else ""),
        "",
        *_rows(found),
        "",
        _entry("guarantee", _promise(found)),
    ]
    if counts.defective:
        lines.append(
            _entry(
                "no promise",
                "best F1 and least cost are chosen by the very pictures that they are counted on: "
                "expect them to do worse on others. F1 depends on how many good and defective "
                "pictures there are, which is not as on a line."
                if found.costs is not None
                else "best F1 is chosen by the very pictures that it is counted on: expect it to "
                "do worse on others. It depends on how many good and defective pictures there "
                "are, which is not as on a line.",
            )
        )
    lines += [_entry("note", note) for note in _notes(found)]
    return "\n".join(lines)


def deployment(found: Recalibration, *, dry_run: bool) -> str:
    """Which thresholds the bundle has now, or would have."""
    chosen = found.chosen
    what = f"{NAMES[chosen.rule]}: score {chosen.image:.6g}, map {chosen.pixel:.6g}"
    if dry_run:
        return _entry("deployed", f"nothing, as it is a dry run; it would be {what}")
    return _entry("deployed", f"{what}; a server that is running takes them when it starts again")


def _rows(found: Recalibration) -> list[str]:
    head = ["rule", "threshold", "good rejected", "defects missed"]
    head += [] if found.costs is None else ["cost a part"]
    rows = []
    for one in found.candidates:
        name = NAMES[one.rule] + (" *" if one is found.chosen else "")
        rows.append([f"{name}, score", *_cells(found, one.image, one.of_image)])
        rows.append([f"{name}, map", *_cells(found, one.pixel, one.of_pixel)])
    return [line.rstrip() for line in aligned([head, *rows])]


def _cells(found: Recalibration, threshold: float, counts: Counts) -> list[str]:
    cells = [f"{threshold:.6g}", share(counts.rejected, counts.good)]
    cells.append(share(counts.missed, counts.defective) if counts.defective else "-")
    if found.costs is not None:
        cells.append(f"{found.costs.per_part(counts):.4g}")
    return cells


def _promise(found: Recalibration) -> str:
    alpha, good = found.alpha.value, found.chosen.of_image.good
    percent = f"{100 * alpha:.3g} %"
    spread = 100 * math.sqrt(alpha * (1 - alpha) / (good + 2))
    unless = "" if found.seen_known else ", if the training has seen none of them"
    return (
        f"conformal: a further good picture like these {good} is called anomalous with a "
        f"probability of at most {percent}, and shows a region with at most {percent}{unless}. The "
        "probability is over the calibration pictures and the new one together: with this one "
        f"calibration the rate may lie above or below, by some {spread:.2g} points. Nothing is "
        "promised of defects, of one kind of part alone, or where line, light or parts have "
        "changed since."
    )


def _notes(found: Recalibration) -> list[str]:
    notes = list(found.thresholds.notes)
    chosen = found.chosen
    if chosen.rule != "conformal":
        counts = chosen.of_image
        if counts.rejected == counts.good:
            notes.append(f"{NAMES[chosen.rule]} rejects every picture")
        if counts.missed == counts.defective:
            notes.append(f"{NAMES[chosen.rule]} rejects no defect at all")
    return notes


def _entry(name: str, text: str) -> str:
    first, others = f"{name:<12}", " " * 12
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
