"""An evaluation for other programs: everything that was measured, and on what, as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.evaluation.data_sets import DataSet
from export.evaluation.evaluate import Evaluation
from export.evaluation.metrics import Judged
from service.bundles.bundle import Bundle
from service.bundles.manifest import Manifest

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Circumstances:
    """What was evaluated, on what, when and how.

    Attributes:
        bundle: as loaded.
        pixel_threshold: a map value is anomalous in the report's pictures if it is greater.
        threshold_from: where the deployed threshold of scores comes from, in words.
        pixel_threshold_from: where that of map values comes from.
        data: the labelled pictures.
        through: who inspected them, in words.
        evaluated_at: UTC, ISO 8601.
        versions: of this host's packages, by name.
    """

    bundle: Bundle
    pixel_threshold: float
    threshold_from: str
    pixel_threshold_from: str
    data: DataSet
    through: str
    evaluated_at: str
    versions: dict[str, str]

    @property
    def manifest(self) -> Manifest:
        """Of the bundle."""
        return self.bundle.manifest


def to_json(result: Evaluation, circumstances: Circumstances) -> str:
    """The evaluation as a JSON text; a number that is not finite is null."""
    manifest, data = circumstances.manifest, circumstances.data
    fields = dataclasses.asdict(result) | {
        "pictures": [_picture(one, data.root) for one in result.pictures]
    }
    head = {
        "format_version": FORMAT_VERSION,
        "has_synthetic_defects": result.synthetic is not None,
        "evaluated_at": circumstances.evaluated_at,
        "through": circumstances.through,
        "data": {"root": str(data.root), "layout": data.layout},
        "bundle": {
            "path": str(circumstances.bundle.path),
            "created_at": manifest.created_at,
            "graph_sha256": manifest.files.get("model.onnx"),
            "thresholds": manifest.thresholds.model_dump(),
        },
        "threshold_from": circumstances.threshold_from,
        "pixel_threshold": circumstances.pixel_threshold,
        "pixel_threshold_from": circumstances.pixel_threshold_from,
        "versions": circumstances.versions,
    }
    return json.dumps(_finite(head | fields), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _picture(one: Judged, root: Path) -> dict[str, Any]:
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


def relative_name(path: Path, root: Path) -> str:
    """A file's place below the data set, with slashes; its whole path if it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case float() if not math.isfinite(value):
            return None
    return value
