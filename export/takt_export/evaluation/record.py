"""An evaluation as JSON for other programs: all metrics, and what they were measured on."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.manifest import Manifest
from takt_export.evaluation.data_sets import DataSet
from takt_export.evaluation.deployed import AppliedThresholds
from takt_export.evaluation.evaluate import Evaluation
from takt_export.evaluation.metrics import JudgedPicture
from takt_export.pictures import relative_name

FORMAT_VERSION = 1


@dataclass(frozen=True)
class EvaluationContext:
    """Model, data and host of an evaluation.

    Attributes:
        bundle: evaluated bundle.
        thresholds: deployed thresholds and their origin.
        data: labelled pictures.
        through: what inspected the pictures, in words.
        evaluated_at: time in UTC, ISO 8601.
        versions: versions of this host's packages, by name.
    """

    bundle: Bundle
    thresholds: AppliedThresholds
    data: DataSet
    through: str
    evaluated_at: str
    versions: dict[str, str]

    @property
    def manifest(self) -> Manifest:
        """Manifest of the bundle."""
        return self.bundle.manifest


def to_json(result: Evaluation, context: EvaluationContext) -> str:
    """The evaluation as JSON text; a number that is not finite becomes null."""
    manifest, data = context.manifest, context.data
    fields = dataclasses.asdict(result) | {
        "pictures": [_picture(one, data.root) for one in result.pictures]
    }
    head = {
        "format_version": FORMAT_VERSION,
        "has_synthetic_defects": result.synthetic is not None,
        "evaluated_at": context.evaluated_at,
        "through": context.through,
        "data": {"root": str(data.root), "layout": data.layout},
        "bundle": {
            "path": str(context.bundle.path),
            "created_at": manifest.created_at,
            "graph_sha256": manifest.files.get("model.onnx"),
            "thresholds": manifest.thresholds.model_dump(),
        },
        "threshold_from": context.thresholds.image_from,
        "pixel_threshold": context.thresholds.pixel,
        "pixel_threshold_from": context.thresholds.pixel_from,
        "versions": context.versions,
    }
    return json.dumps(_finite(head | fields), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _picture(one: JudgedPicture, root: Path) -> dict[str, Any]:
    sample = one.sample
    return {
        "path": relative_name(sample.path, root),
        "defect": sample.defect,
        "synthetic": sample.synthetic,
        "masks": [relative_name(mask, root) for mask in sample.masks],
        "score": one.score,
        "anomalous": one.anomalous,
        "total_ms": one.total_ms,
        "wall_ms": one.wall_ms,
    }


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case float() if not math.isfinite(value):
            return None
    return value
