"""An evaluation and a verification as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from export.wording import aligned, drift_text, number, resize_text, roi_text, share, tiles_text

if TYPE_CHECKING:  # a server install, which verifies, lacks what an evaluation needs
    from export.evaluation.evaluate import Evaluation
    from export.evaluation.metrics import Figures, Latency
    from export.evaluation.verify import BundleResult, GraphRun, Verification


SYNTHETIC_NOTICE = "defects drawn by a program: an estimate, no measurement"


def evaluation_table(result: Evaluation) -> str:
    """Several aligned lines: the ranking, the verdicts, each kind of defect, the latencies."""
    counts = [f"{result.groups[0].good} good"]
    counts += [f"{group.defective} defective" for group in [result.real] if group is not None]
    counts += [
        f"{group.defective} synthetic defective"
        for group in [result.synthetic]
        if group is not None
    ]
    lines = [f"{result.model} version {result.version}: {_listed(counts)} pictures"]
    for group in result.groups:
        lines += ["", *_figure_lines(group, result)]
    lines += [
        "",
        f"threshold           {result.threshold:.6g}",
        f"latency p50/p95/p99 {_times(result.total)} ms inside, {_times(result.wall)} ms outside",
    ]
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


def _figure_lines(group: Figures, result: Evaluation) -> list[str]:
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


def compared_at(side: int) -> str:
    """At which size maps and masks were compared, in words."""
    return f"at {side} × {side} pixels" if side else "at each picture's own size"


def _times(latency: Latency) -> str:
    return f"{latency.p50_ms:.1f} / {latency.p95_ms:.1f} / {latency.p99_ms:.1f}"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]


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
        rows = [row for run in result.runs for row in _drift_rows(run)]
        lines += [line.rstrip() for line in aligned([head, *rows])]
    if result.problem is not None:
        lines.append(f"problem     {result.problem}")
    lines += [
        f"problem     {run.graph} on {run.engine}: {run.problem}"
        for run in result.runs
        if run.problem is not None
    ]
    lines.append(f"recorded    {drift_text(manifest)}")
    resized, counted, tiled = resize_text(manifest), roi_text(manifest), tiles_text(manifest)
    lines += [] if resized is None else [f"resize      {resized}"]
    lines += [] if counted is None else [f"roi         {counted}"]
    lines += [] if tiled is None else [f"tiles       {tiled}"]
    notes = (*manifest.notes, *manifest.thresholds.notes)
    return [*lines, *(f"note        {note}" for note in notes)]


def _drift_rows(run: GraphRun) -> Iterator[list[str]]:
    bounds = f"{run.bounds.score:.2g}"
    if run.bounds.anomaly_map != run.bounds.score:
        bounds += f" / {run.bounds.anomaly_map:.2g}"
    if run.drift is None:
        yield [run.graph, run.engine, "-", "-", "-", bounds, "FAILED"]
        return
    for batch in run.drift.batches:
        yield [
            run.graph,
            run.engine,
            str(batch.batch_size),
            f"{batch.score:.2g}",
            f"{batch.anomaly_map:.2g}",
            bounds,
            "ok" if batch.within(run.bounds) else "DRIFTS",
        ]
