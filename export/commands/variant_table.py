"""The variants of a bundle as a table for people."""

from __future__ import annotations

from service.bundles.manifest import Manifest
from service.bundles.variant import Variant

_HEAD = (
    "variant",
    "images/s",
    "score drift",
    "map drift",
    "verdicts turned",
    "image AUROC",
    "kept",
)


def variant_table(manifest: Manifest) -> str:
    """One line for each variant; drifts in spans, see `VariantDrift`."""
    rows = [_HEAD, *(_row(variant) for variant in manifest.variants)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(variant: Variant) -> tuple[str, ...]:
    drift = variant.drift
    auroc = "-"
    if drift.image_auroc is not None and drift.reference_auroc is not None:
        auroc = f"{drift.image_auroc:.4f} ({drift.image_auroc - drift.reference_auroc:+.4f})"
    return (
        variant.name,
        "-" if variant.images_per_s is None else f"{variant.images_per_s:.1f}",
        f"{drift.score_spans:.4f}",
        f"{drift.map_spans:.4f}",
        f"{drift.turned} of {drift.pictures}",
        auroc,
        ", ".join(variant.kept) or "-",
    )
