"""An evaluation as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from export.evaluate import Evaluation


def evaluation_table(result: Evaluation) -> str:
    """Several aligned lines: the ranking, the verdicts, each kind of defect, the latencies."""
    confusion = result.confusion
    lines = [
        f"{result.model} version {result.version}: "
        f"{result.good} good and {result.defective} defective pictures",
        "",
    ]
    if result.image is not None:
        lines += [
            f"image AUROC         {result.image.auroc:.4f}",
            f"average precision   {result.image.average_precision:.4f}",
            f"F1-max              {result.image.f1_max:.4f}  "
            f"from a score of {result.image.f1_max_threshold:.6g}",
        ]
    if result.pixel_auroc is not None:
        lines.append(f"pixel AUROC         {result.pixel_auroc:.4f}  with {result.masks} masks")
    lines += [
        f"threshold           {result.threshold:.6g}",
        f"found               {_share(confusion.true_positive, result.defective)} defective",
        f"falsely rejected    {_share(confusion.false_positive, result.good)} good",
        f"latency p50 / p95   {result.total.p50_ms:.1f} / {result.total.p95_ms:.1f} ms inside, "
        f"{result.wall.p50_ms:.1f} / {result.wall.p95_ms:.1f} ms outside",
    ]
    if result.by_defect:
        rows = [
            [one.defect, str(one.pictures), str(one.found), _number(one.auroc)]
            for one in result.by_defect
        ]
        lines += ["", *aligned([["defect", "pictures", "found", "AUROC"], *rows])]
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "0 of 0"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
