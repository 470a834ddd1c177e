"""The bundle: a folder that holds one version of one model, and the contract about it.

`<repository>/<name>/<version>/` has `manifest.json`, `model.onnx` (input `images`, uint8
[N,H,W,3] RGB; outputs `anomaly_map`, float32 [N,h,w], and `score`, float32 [N]),
`golden.npz` (model inputs and what the trained model answered) and `calibration.npz` (scores of
good and, where given, defective pictures). A later calibration puts a file of another name in that
one's place; the manifest says which. `roi.png` is there where a mask picture says what counts.
`thresholds.json`, if there, is `service.bundles.thresholds`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from service.bundles.files import write_atomically
from service.bundles.manifest import CALIBRATION, Manifest, Thresholds
from service.bundles.variant import Variant
from service.errors import BundleError, validation_message

MANIFEST = "manifest.json"
MODEL = "model.onnx"
GOLDEN = "golden.npz"
INPUT = "images"
OUTPUTS = ("anomaly_map", "score")


@dataclass(frozen=True)
class Golden:
    """Model inputs with the trained model's answers.

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
    """Scores and highest map values [n] of pictures that the model was not fitted on.

    Attributes:
        good_score: float32 [n].
        good_peak: the highest value of each map, float32 [n].
        defect_score: likewise of defective pictures, float32 [m]; may be empty.
        defect_peak: likewise.
        seen: digests of the pictures that the fit looked at; empty if unknown.
    """

    good_score: NDArray[np.float32]
    good_peak: NDArray[np.float32]
    defect_score: NDArray[np.float32]
    defect_peak: NDArray[np.float32]
    seen: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, "U16"))


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle; the graph itself is left to an engine."""

    path: Path
    manifest: Manifest
    golden: Golden
    calibration: Calibration

    @property
    def model_path(self) -> Path:
        """The reference graph."""
        return self.path / MODEL

    def variant(self, name: str) -> Variant:
        """A variant by its name.

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
    """Read and check a bundle.

    Raises:
        BundleError: a file is missing, damaged, of another format or not what the manifest says.
    """
    manifest = _read_manifest(path)
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"{path}: the manifest names a file outside the bundle: {name}")
        if _sha256(path / name) != expected:
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
    """Refuse a copied or renamed folder, which would answer under another name than it has.

    Raises:
        BundleError: it is not `<repository>/<name>/<version>`.
    """
    # Not resolved: a link has to be called what it is asked for by.
    path = Path(os.path.abspath(path))
    if (manifest.name, manifest.version) != (path.parent.name, path.name):
        raise BundleError(
            f"{path} holds model {manifest.name}, version {manifest.version}; its place is "
            f"<repository>/{manifest.name}/{manifest.version}"
        )


def save_bundle(
    path: Path,
    golden: Golden,
    calibration: Calibration,
    write_model: Callable[[Path], None],
    manifest: Callable[[dict[str, str]], Manifest],
    further: Mapping[str, bytes] = MappingProxyType({}),
) -> Bundle:
    """Write a bundle beside `path` and rename it into place, so that none is ever half there.

    Args:
        path: `<repository>/<name>/<version>`; must not exist.
        golden: what the engines will be checked against.
        calibration: the scores behind the thresholds.
        write_model: writes the graph to the path that it is given.
        manifest: makes the manifest, given the hashes of the other files.
        further: files that only some bundles have, by name.

    Raises:
        BundleError: the folder exists already.
    """
    if path.exists():
        raise BundleError(f"{path} exists; versions are never changed, so export to a new one")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        write_model(unfinished / MODEL)
        np.savez_compressed(unfinished / GOLDEN, allow_pickle=False, **vars(golden))
        np.savez_compressed(unfinished / CALIBRATION, allow_pickle=False, **vars(calibration))
        for name, data in further.items():
            (unfinished / name).write_bytes(data)
        hashes = {file.name: _sha256(file) for file in sorted(unfinished.iterdir())}
        (unfinished / MANIFEST).write_bytes(_manifest_bytes(manifest(hashes)))
        unfinished.chmod(0o755)
        bundle = load_bundle(unfinished)
        os.rename(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return replace(bundle, path=path)


def recalibrate(
    bundle: Bundle, calibration: Calibration, thresholds: Thresholds, map_low: float
) -> Bundle:
    """Give a bundle other thresholds and the scores behind them; its graph stays as it is.

    The scores are written under a new name before the manifest that names them takes the former
    one's place, so that wherever this stops, the folder holds the former bundle or the new one.

    Args:
        bundle: as it was loaded.
        calibration: the scores behind the thresholds.
        thresholds: see there.
        map_low: see `MapSpec.low`.

    Raises:
        OSError: the folder cannot be written to; the former bundle stays.
    """
    path, former = bundle.path, bundle.manifest
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **vars(calibration))
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    name = f"calibration-{digest[:12]}.npz"
    others = {file: known for file, known in former.files.items() if file != former.calibration}
    manifest = Manifest.model_validate(
        former.model_dump()
        | {
            "map": former.map.model_dump() | {"low": map_low},
            "thresholds": thresholds.model_dump(),
            "calibration": name,
            "files": others | {name: digest},
        }
    )
    write_atomically(path / name, stream.getvalue())
    write_atomically(path / MANIFEST, _manifest_bytes(manifest))
    if former.calibration != name:
        with contextlib.suppress(OSError):
            (path / former.calibration).unlink()
    return load_bundle(path)


def add_variant(bundle: Bundle, variant: Variant, files: Mapping[str, bytes]) -> Bundle:
    """Put a variant beside the reference graph, in place of one of the same name.

    Its files are written before the manifest that names them, under names that say what they hold,
    so that wherever this stops, the folder holds the former bundle or the new one.

    Args:
        bundle: as it was loaded.
        variant: whose `files` are those given here, and whose `model` is one of them or the
            bundle's own.
        files: what they hold, by name.

    Raises:
        BundleError: the variant's files are others than those given.
        OSError: the folder cannot be written to; the former bundle stays.
    """
    path, former = bundle.path, bundle.manifest
    if set(files) != set(variant.files):
        raise BundleError(f"variant {variant.name} has files {variant.files}, not {tuple(files)}")
    others = tuple(one for one in former.variants if one.name != variant.name)
    replaced = {name for one in former.variants if one not in others for name in one.files}
    kept = {name: digest for name, digest in former.files.items() if name not in replaced}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = Manifest.model_validate(
        former.model_dump()
        | {
            "variants": [one.model_dump() for one in (*others, variant)],
            "files": kept | hashes,
        }
    )
    for name, data in files.items():
        write_atomically(path / name, data)
    write_atomically(path / MANIFEST, _manifest_bytes(manifest))
    for name in replaced - set(files):
        with contextlib.suppress(OSError):
            (path / name).unlink()
    return load_bundle(path)


def _manifest_bytes(manifest: Manifest) -> bytes:
    return (manifest.model_dump_json(indent=2) + "\n").encode()


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{path} is no bundle: it has no {MANIFEST}") from None
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        why = validation_message(error, "the file")
        raise BundleError(f"{file}: {why}") from None


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


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise BundleError(f"{file} is missing; export the bundle again") from None
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from None
