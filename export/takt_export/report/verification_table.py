"""A verification of bundles as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from takt_export.evaluation.verify import BundleResult, GraphRun, Verification
from takt_export.wording import aligned, drift_text, resize_text, roi_text, tiles_text


def verification_table(result: Verification) -> str:
    """Lines for each bundle, then the engines that this host lacks."""
    blocks = [_verified(bundle) for bundle in result.bundles]
    if result.absent:
        blocks.append([f"absent      {absent.engine}: {absent.reason}" for absent in result.absent])
    return "\n\n".join("\n".join(block) for block in blocks)


def _verified(result: BundleResult) -> list[str]:
    manifest = result.manifest
    if manifest is None:
        return [f"{result.path}: REFUSED", f"problem     {result.problem}"]
    lines = [f"{result.path}: {manifest.name} version {manifest.version}"]
    if result.runs:
        head = ["graph", "engine", "batch", "score drift", "map drift", "tolerance", ""]
        rows = [row for run in result.runs for row in _drift_rows(run)]
        lines += aligned([head, *rows])
    if result.problem is not None:
        lines.append(f"problem     {result.problem}")
    lines += [
        f"problem     {run.graph} on {run.engine}: {run.problem}"
        for run in result.runs
        if run.problem is not None
    ]
    lines += [
        f"drifts      {run.graph} on {run.engine}: it begins at {', '.join(run.layers)}"
        for run in result.runs
        if run.layers
    ]
    lines.append(f"recorded    {drift_text(manifest)}")
    facts = [
        ("signed by", result.signed_by),
        ("resize", resize_text(manifest)),
        ("roi", roi_text(manifest)),
        ("tiles", tiles_text(manifest)),
        *(("note", note) for note in (*manifest.notes, *manifest.thresholds.notes)),
    ]
    return [*lines, *(f"{name:<12}{fact}" for name, fact in facts if fact is not None)]


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
