"""An evaluation as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from takt_export.evaluation.evaluate import Evaluation
from takt_export.evaluation.metrics import DetectionMetrics, Latency
from takt_export.wording import aligned, number, share, with_interval

SYNTHETIC_NOTICE = "defects drawn by a program: an estimate, no measurement"


def evaluation_table(result: Evaluation) -> str:
    """Aligned lines: metrics, verdicts and latencies, then a row for each defect."""
    counts = [
        f"{result.groups[0].good} good",
        *(
            f"{group.defective} {'synthetic ' if group.synthetic else ''}defective"
            for group in result.groups
        ),
    ]
    lines = [f"{result.model} version {result.version}: {_listed(counts)} pictures"]
    for group in result.groups:
        lines += ["", *_figure_lines(group, result)]
    lines += [
        "",
        f"threshold           {result.threshold:.6g}",
        f"latency p50/p95/p99 {_times(result.total)} ms inside, {_times(result.wall)} ms outside",
    ]
    if result.at_rates:
        lines += ["", *aligned(rate_rows(result))]
    if result.by_defect:
        head = ["defect", "pictures", "found", "AUROC", "AP", "pixel AUROC", "AUPRO 30 %"]
        rows = [
            [
                one.defects,
                str(one.defective),
                str(one.confusion.true_positive),
                number(one.image.auroc if one.image else None),
                number(one.image.average_precision if one.image else None),
                number(one.pixel.auroc if one.pixel else None),
                number(one.pixel.aupro_30 if one.pixel else None),
            ]
            for one in result.by_defect
        ]
        lines += ["", *aligned([head, *rows])]
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines)


def _figure_lines(group: DetectionMetrics, result: Evaluation) -> list[str]:
    lines = [f"SYNTHETIC           {SYNTHETIC_NOTICE}"] if group.synthetic else []
    if group.image is not None:
        lines += [
            f"image AUROC         {group.image.auroc:.4f}",
            f"average precision   {group.image.average_precision:.4f}",
            f"F1-max              {group.image.f1_max:.4f}  "
            f"from a score of {group.image.f1_max_threshold:.6g}",
        ]
    if group.pixel is not None:
        lines += [
            f"pixel AUROC         {group.pixel.auroc:.4f}  with {group.masks} masks, "
            f"{compared_at(result.pixel_side)}",
            f"pixel AP            {group.pixel.average_precision:.4f}",
            f"AUPRO 30 % / 5 %    {group.pixel.aupro_30:.4f} / {group.pixel.aupro_5:.4f}  "
            f"over {group.pixel.regions} regions",
        ]
    confusion = group.confusion
    return [
        *lines,
        f"found               {share(confusion.true_positive, group.defective)} defective",
        f"falsely rejected    {share(confusion.false_positive, group.good)} good",
        f"precision / recall  {number(confusion.precision)} / {number(confusion.recall)}",
    ]


def rate_rows(result: Evaluation) -> list[list[str]]:
    """A head, and a row for each false-reject rate, with a star at the one in force."""
    rows = [["alpha", "good rejected", "defective found"]]
    for one in result.at_rates:
        counts = one.confusion
        rows.append(
            [
                f"{100 * one.alpha:g} %{' *' if one.in_force else ''}",
                with_interval(counts.false_positive, counts.false_positive + counts.true_negative),
                with_interval(counts.true_positive, counts.true_positive + counts.false_negative),
            ]
        )
    return rows


def compared_at(side: int) -> str:
    """Size at which maps and masks were compared, in words."""
    return f"at {side} × {side} pixels" if side else "at each picture's own size"


def _times(latency: Latency) -> str:
    return f"{latency.p50_ms:.1f} / {latency.p95_ms:.1f} / {latency.p99_ms:.1f}"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
