"""The ranges that TensorRT needs for 8 bits, measured on pictures by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from takt.core.domain import ModelInput
from takt_export.variants.onnx_int8 import OneByOne

TABLE = "calibration.flatbuffers"
"""The file that ONNX Runtime's TensorRT provider reads."""


def write_ranges(graph: Path, images: Sequence[ModelInput], folder: Path) -> Path:
    """Run pictures and write the largest absolute value of each tensor.

    Args:
        graph: an ONNX file, as TensorRT gets it.
        images: model inputs of good parts, [H,W,3]; at least one.
        folder: for the table.

    Returns:
        The table's file.
    """
    from onnxruntime.quantization import CalibrationMethod, create_calibrator
    from onnxruntime.quantization.quant_utils import write_calibration_table

    calibrator = create_calibrator(
        graph,
        augmented_model_path=str(folder / "augmented.onnx"),
        calibrate_method=CalibrationMethod.MinMax,
        # The table has one number for each tensor, which only a symmetric range is.
        extra_options={"symmetric": True},
    )
    for image in images:  # one at a time: all tensors of one call stay in memory together
        calibrator.collect_data(OneByOne([image]))
    write_calibration_table(calibrator.compute_data(), str(folder))
    return folder / TABLE
