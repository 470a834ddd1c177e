"""An evaluation and a verification as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from service.bundle import Manifest

if TYPE_CHECKING:  # a server install, which verifies, lacks what an evaluation needs
    from export.evaluate import Evaluation
    from export.verify import BundleResult, GraphRun, Verification


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


def verification_table(result: Verification) -> str:
    """A block of lines for each bundle, then the engines that this host lacks."""
    blocks = [_verified(bundle) for bundle in result.bundles]
    if result.absent:
        blocks.append([f"absent      {absent.engine}: {absent.reason}" for absent in result.absent])
    return "\n\n".join("\n".join(block) for block in blocks)


def _verified(result: BundleResult) -> list[str]:
    manifest = result.manifest
    if manifest is None:
        return [f"{result.path}: DAMAGED", f"problem     {result.problem}"]
    lines = [f"{result.path}: {manifest.name} version {manifest.version}"]
    if result.runs:
        head = ["graph", "engine", "batch", "score drift", "map drift", "tolerance", ""]
        rows = [row for run in result.runs for row in _drift_rows(run, manifest.tolerance)]
        lines += [line.rstrip() for line in aligned([head, *rows])]
    if result.problem is not None:
        lines.append(f"problem     {result.problem}")
    lines += [
        f"problem     {run.graph} on {run.engine}: {run.problem}"
        for run in result.runs
        if run.problem is not None
    ]
    lines.append(f"recorded    {recorded_drift(manifest)}")
    resized = resize_drift(manifest)
    lines += [] if resized is None else [f"resize      {resized}"]
    return [*lines, *(f"note        {note}" for note in manifest.notes)]


def _drift_rows(run: GraphRun, tolerance: float) -> Iterator[list[str]]:
    if run.drift is None:
        yield [run.graph, run.engine, "-", "-", "-", f"{tolerance:.2g}", "FAILED"]
        return
    for batch in run.drift.batches:
        yield [
            run.graph,
            run.engine,
            str(batch.batch_size),
            f"{batch.score:.2g}",
            f"{batch.anomaly_map:.2g}",
            f"{tolerance:.2g}",
            "ok" if batch.within(tolerance) else "DRIFTS",
        ]


def recorded_drift(manifest: Manifest) -> str:
    """What the export measured of the graph against what it was made from."""
    drift = manifest.drift
    pair = "torch and the graph" if manifest.reference == "torch" else "the file and the bundle"
    return (
        f"score {drift.score:.2g}, map {drift.anomaly_map:.2g} between {pair}, on "
        f"{drift.pictures} pictures"
    )


def resize_drift(manifest: Manifest) -> str | None:
    """What the export measured of another resize filter than the training's; None if it is that."""
    spec = manifest.preprocess
    if spec.drift is None:
        return None
    return (
        f"{spec.resize} instead of {spec.drift.trained_with} changes the score by up to "
        f"{spec.drift.score:.2g}, the map by {spec.drift.anomaly_map:.2g}, a pixel by "
        f"{spec.drift.grey_levels:g} levels, on {spec.drift.pictures} pictures"
    )


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
