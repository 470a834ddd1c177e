"""The ranges that TensorRT needs for 8 bits, measured on pictures by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.pictures import read_model_input
from service.bundles.bundle import INPUT
from service.bundles.manifest import Manifest

TABLE = "calibration.flatbuffers"
"""The file that ONNX Runtime's TensorRT provider reads."""


def write_ranges(graph: Path, manifest: Manifest, pictures: Sequence[Path], folder: Path) -> None:
    """Run pictures and write the largest absolute value of each tensor to `TABLE`.

    Args:
        graph: an ONNX file, as TensorRT gets it.
        manifest: of the bundle: how pictures become its input.
        pictures: of good parts; at least one.
        folder: for the table.

    Raises:
        PicturesError: a picture cannot be read.
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
    for path in pictures:  # by themselves, as it keeps all tensors of what it gets together
        image = read_model_input(path, manifest.preprocess, manifest.tiling)
        calibrator.collect_data(_Once(image[np.newaxis]))
    write_calibration_table(calibrator.compute_data(), str(folder))


class _Once:
    """Hands out one batch, as ONNX Runtime's calibrators ask for it."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images: NDArray[np.uint8] | None = images

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The batch; None afterwards."""
        images, self._images = self._images, None
        return None if images is None else {INPUT: images}
