"""The bundle: a folder that holds one version of one model.

`<repository>/<name>/<version>/` holds:

- `manifest.json`;
- `model.onnx`: input `images`, uint8 [N,H,W,3] RGB; outputs `anomaly_map`, float32 [N,h,w], and
  `score`, float32 [N];
- `golden.npz`: model inputs and the trained model's answers;
- `calibration.npz`: scores of good and, where given, defective pictures. A later calibration
  replaces it by a file of another name, which the manifest states;
- `roi.png`, where a mask picture defines the region of interest;
- files of variants, `thresholds.json` (`service.bundles.thresholds`) and `host.json`
  (`service.bundles.host_profile`), where there are any.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundles.manifest import Manifest
from service.bundles.variant import Variant
from service.errors import BundleError

MANIFEST = "manifest.json"
MODEL = "model.onnx"
GOLDEN = "golden.npz"
INPUT = "images"
OUTPUTS = ("anomaly_map", "score")


@dataclass(frozen=True)
class Golden:
    """Model inputs and the trained model's answers to them.

    Attributes:
        images: uint8 [N,H,W,3].
        anomaly_map: float32 [N,h,w].
        score: float32 [N].
    """

    images: NDArray[np.uint8]
    anomaly_map: NDArray[np.float32]
    score: NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """Scores of pictures that the model was not fitted on.

    Attributes:
        good_score: of good pictures, float32 [n].
        good_peak: the highest map value of each good picture, float32 [n].
        defect_score: of defective pictures, float32 [m]; may be empty.
        defect_peak: the highest map value of each defective picture, float32 [m].
        seen: digests of the pictures that the fit used; empty if unknown.
    """

    good_score: NDArray[np.float32]
    good_peak: NDArray[np.float32]
    defect_score: NDArray[np.float32]
    defect_peak: NDArray[np.float32]
    seen: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, "U16"))


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle, without its graph, which an engine opens.

    >>> bundle = load_bundle(Path("examples/models/pitting/1"))
    >>> bundle.manifest.family, bundle.manifest.map_size
    ('efficientad', (256, 256))
    >>> bundle.golden.images.dtype
    dtype('uint8')
    """

    path: Path
    manifest: Manifest
    golden: Golden
    calibration: Calibration

    @property
    def model_path(self) -> Path:
        """File of the reference graph."""
        return self.path / MODEL

    def variant(self, name: str) -> Variant:
        """Finds a variant by its name.

        Raises:
            BundleError: there is none; the message lists those that there are.
        """
        for variant in self.manifest.variants:
            if variant.name == name:
                return variant
        names = ", ".join(one.name for one in self.manifest.variants) or "none"
        raise BundleError(
            f"{self.path} has no variant {name!r}, but {names}; `takt export openvino`, "
            "`onnxruntime` and `tensorrt` make some"
        )


def load_bundle(path: Path) -> Bundle:
    """Reads and checks a bundle.

    Raises:
        BundleError: a file is missing, damaged, of another format or not what the manifest says.
    """
    manifest = Manifest.read(path / MANIFEST, BundleError)
    if manifest is None:
        raise BundleError(f"{path} is no bundle: it has no {MANIFEST}")
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"{path}: the manifest names a file outside the bundle: {name}")
        if file_sha256(path / name) != expected:
            raise BundleError(f"{path / name} is not the file that was exported; export it again")
    for required in (MODEL, GOLDEN, manifest.calibration):
        if required not in manifest.files:
            raise BundleError(f"{path}: the manifest lists no {required}; export it again")
    bundle = Bundle(
        path=path,
        manifest=manifest,
        golden=Golden(**_read_arrays(path / GOLDEN, Golden)),
        calibration=Calibration(**_read_arrays(path / manifest.calibration, Calibration)),
    )
    _check_golden(bundle)
    return bundle


def check_place(path: Path, manifest: Manifest) -> None:
    """Refuses a copied or renamed folder, whose answers would bear the original's name.

    Raises:
        BundleError: the path is not `<repository>/<name>/<version>`.
    """
    # Not resolved: a link has to be called what it is asked for by.
    path = Path(os.path.abspath(path))
    if (manifest.name, manifest.version) != (path.parent.name, path.name):
        raise BundleError(
            f"{path} holds model {manifest.name}, version {manifest.version}; its place is "
            f"<repository>/{manifest.name}/{manifest.version}"
        )


def _read_arrays(file: Path, shape: type[Golden] | type[Calibration]) -> dict[str, NDArray]:  # type: ignore[type-arg]
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {
                one.name: stored[one.name]
                for one in fields(shape)
                if one.default_factory is MISSING or one.name in stored
            }
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError(f"{file} cannot be read ({error}); export the bundle again") from None


def _check_golden(bundle: Bundle) -> None:
    golden, manifest = bundle.golden, bundle.manifest
    count = len(golden.images)
    image_shape = (count, *manifest.preprocess.input_size, 3)
    map_shape = (count, manifest.map.height, manifest.map.width)
    found = (golden.images.shape, golden.anomaly_map.shape, golden.score.shape)
    if count == 0 or found != (image_shape, map_shape, (count,)):
        raise BundleError(
            f"{bundle.path / GOLDEN} has arrays of shapes {found}, but the manifest says "
            f"{(image_shape, map_shape, (count,))}; export the bundle again"
        )


def file_sha256(file: Path) -> str:
    """The SHA-256 of a bundle's file.

    Raises:
        BundleError: the file is missing or cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise BundleError(f"{file} is missing; export the bundle again") from None
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from None
