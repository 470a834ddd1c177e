"""A small graph of somebody else's, and its import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, parser

from takt_export.imported.preprocessing import InputOptions
from takt_export.imported.source import ImportOptions, OnnxSource, open_source


def open_quietly(path: Path, good: list[Path], **options: Any) -> tuple[OnnxSource, list[str]]:
    told: list[str] = []
    return open_source(path, good, ImportOptions(**options), tell=told.append), told


def small(
    body: str = "map = Conv(x, kernel) peak = GlobalMaxPool(map) score = Reshape(peak, every)",
    *,
    described: str = "float[N,3,8,8]",
    outputs: str = "float[N,1,8,8] map, float[N] score",
) -> ModelProto:
    return parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g ({described} x) => ({outputs})
        <float[1,3,1,1] kernel = {{3, 2, 1}}, int64[1] every = {{-1}}, float zero = {{0}},
         int64[4] one_of_1 = {{1, 3, 8, 8}}, int64[4] one_of_2 = {{2, 3, 8, 8}}>
        {{ {body} }}"""
    )


def import_small(
    model: ModelProto, good: list[Path], **options: Any
) -> tuple[OnnxSource, list[str]]:
    path = good[0].parent.with_name("m.onnx")
    onnx.save(model, path)
    return open_quietly(path, good, pictures=InputOptions(white=1), **options)
