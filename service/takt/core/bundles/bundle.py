"""The bundle: a folder that holds one version of one model.

`<repository>/<name>/<version>/` holds:

- `manifest.json`: lists the other files with their sizes and digests, and has a digest of its own;
- `model.onnx`: input `images`, RGB [N,H,W,3] of the type that `preprocess.input` says; outputs
  `anomaly_map`, float32 [N,h,w], and `score`, float32 [N];
- `golden.npz`: model inputs and the trained model's answers;
- `layers.npz`, where the exporter wrote it: what the graph's layers answered to the first golden
  input, in short (`takt.core.engines.layers`);
- `calibration.npz`: scores of good and, where given, defective pictures, with the parts that the
  good ones show, where they are known. A later calibration replaces it by a file of another name,
  which the manifest states;
- `roi.png`, where a mask picture defines the region of interest;
- `signature.json`, where somebody has signed the manifest (`takt.core.bundles.signing`);
- files of variants, `thresholds.json` (`takt.core.bundles.thresholds`) and `host.json`
  (`takt.core.bundles.host_profile`), where there are any.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.content.arrays import ArrayHeader, ArraySpec, read_arrays
from takt.core.bundles.content.listed_files import open_listed
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.reading import RECORD_BYTES, read_file, surroundings
from takt.core.bundles.signing.private_copy import PrivateCopy
from takt.core.bundles.signing.signature import TrustedKeys
from takt.core.bundles.strict_model import sealing_digest
from takt.core.bundles.variant import Variant
from takt.core.domain import Batch
from takt.core.errors import BundleError, MisplacedBundleError

MANIFEST = "manifest.json"
MODEL = "model.onnx"
CHECKPOINT = "checkpoint.safetensors"
"""Name of a fit's file that a bundle keeps, from which a later version goes on."""

GOLDEN = "golden.npz"
LAYERS = "layers.npz"
INPUT = "images"
OUTPUTS = ("anomaly_map", "score")

_GOLDEN_PICTURES = 64
"""Most golden inputs; the exporter writes three."""

_GOLDEN_BYTES = 512 << 20
_CALIBRATION_PICTURES = 1 << 18
LONGEST_PART = 64
"""Characters of a part's id at most."""

_SEEN_PICTURES = 1 << 20
_FACTS = 1 << 18
"""Most values of facts; the exporter writes 20 each of at most 1,024 pictures."""

_SCORES = ArraySpec("f", 8, 1, _CALIBRATION_PICTURES)
_CALIBRATION = {
    "good_score": _SCORES,
    "good_peak": _SCORES,
    "defect_score": _SCORES,
    "defect_peak": _SCORES,
    "seen": ArraySpec("U", 64, 1, _SEEN_PICTURES, required=False),
    "facts": ArraySpec("f", 4, 2, _FACTS, required=False),
    "fact_names": ArraySpec("U", 128, 1, 64, required=False),
    "facts_borne": ArraySpec("f", 4, 2, _FACTS, required=False),
    "look_mean": ArraySpec("f", 4, 2, 1 << 14, required=False),
    "look_spread": ArraySpec("f", 4, 2, 1 << 12, required=False),
    "pose_weights": ArraySpec("f", 4, 2, 1 << 14, required=False),
    "pose_offset": ArraySpec("f", 4, 1, 4, required=False),
    "pose_aspect": ArraySpec("f", 4, 1, 1, required=False),
    "parts": ArraySpec("U", 4 * LONGEST_PART, 1, _CALIBRATION_PICTURES, required=False),
}
_CALIBRATION_BYTES = 96 << 20


@dataclass(frozen=True)
class Golden:
    """Model inputs and the trained model's answers to them.

    Attributes:
        images: [N,H,W,3] of the type that the graph takes.
        anomaly_map: float32 [N,h,w].
        score: float32 [N].
    """

    images: Batch
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
        facts: facts of good pictures, float32 [k,f]; empty where none are known
            (`takt.core.pictures.good_facts`).
        fact_names: what they are called [f].
        facts_borne: facts of good pictures that were moved by what the model bears, float32 [b,f];
            empty where none are known.
        look_mean: what good pictures look like, grey levels, float32 [rows,columns].
        look_spread: deviation of each block's brightness, float32 [rows,columns].
        pose_weights: tell where a part lies (`takt.core.pictures.pose`), float32 [cells,4];
            empty where none do.
        pose_offset: what is added to them, float32 [4]; or empty.
        pose_aspect: height of good pictures over their width, float32 [1]; or empty.
        parts: id of the part that each good score is of, [n], and empty text where it is not
            known; [0] where none is.

    Raises:
        BundleError: there are not as many peaks as scores, as many facts as names, or as many parts
            as good scores.
    """

    good_score: NDArray[np.float32]
    good_peak: NDArray[np.float32]
    defect_score: NDArray[np.float32]
    defect_peak: NDArray[np.float32]
    seen: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, "U16"))
    facts: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    fact_names: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, "U16"))
    facts_borne: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    look_mean: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    look_spread: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    pose_weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    pose_offset: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    pose_aspect: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    parts: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, "U1"))

    def __post_init__(self) -> None:
        pairs = (self.good_score, self.good_peak), (self.defect_score, self.defect_peak)
        if any(len(scores) != len(peaks) for scores, peaks in pairs):
            raise BundleError("calibration: each score needs its peak; export the bundle again")
        borne = self.facts_borne
        if any(len(self.fact_names) != one.shape[1] for one in (self.facts, borne) if one.size):
            raise BundleError("calibration: each fact needs its name; export the bundle again")
        if len(self.parts) not in (0, len(self.good_score)):
            raise BundleError("calibration: each good score needs its part; export it again")


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
    repository: Path | None = None
    """Folder out of which no link may lead; the bundle's own surroundings if None."""

    signed_by: str | None = None
    """Name of the key that has signed it; None if that was neither asked for nor just done."""

    copy: PrivateCopy | None = None
    """Of the listed files, where nobody else can change them; only of a signed bundle."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each listed file, as they were read."""

    digest: str = ""
    """SHA-256 of its manifest, and so of all that the manifest lists; in hex."""

    @property
    def graph_digest(self) -> str:
        """SHA-256 of its graph, as the manifest has it."""
        return self.manifest.files.get(MODEL, "")

    @property
    def content(self) -> Path:
        """Folder of the listed files, as they were checked."""
        return self.copy.folder if self.copy else self.path

    @property
    def model_path(self) -> Path:
        """File of the reference graph."""
        return self.content / MODEL

    def close(self) -> None:
        """Removes the private copy, if there is one; no engine may open a graph from then on."""
        if self.copy is not None:
            self.copy.close()

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


def load_bundle(
    path: Path, repository: Path | None = None, keys: TrustedKeys | None = None
) -> Bundle:
    """Reads and checks a bundle.

    Args:
        path: its folder.
        repository: of a server, out of which no link may lead. Without one, `path` itself may be a
            link to elsewhere, as somebody named it.
        keys: one of them must have signed it; then the bundle has a private copy, to be closed.

    Raises:
        BundleError: a file is missing, damaged, too large, of another format, outside the
            repository, or not what the manifest says; or no trusted key has signed it.
        ConfigurationError: the keys cannot be read.
    """
    within = surroundings(path, repository)
    content = _read_manifest(path, within)
    # The same bytes are judged by their signature and parsed.
    signed_by = None if keys is None else keys.signer_of(path, content, within)
    manifest = Manifest.checked(content, path / MANIFEST, BundleError)
    copy = None if keys is None else PrivateCopy()
    try:
        return replace(
            _with_arrays(path, manifest, within, copy),
            repository=repository,
            signed_by=signed_by,
            copy=copy,
            digest=_digest_of(manifest, content),
        )
    except BaseException:
        if copy is not None:
            copy.close()
        raise


def read_digest(path: Path, repository: Path | None = None) -> str:
    """The digest of a bundle, of which nothing but the manifest is read.

    Raises:
        BundleError: there is no manifest, or it cannot be understood.
    """
    content = _read_manifest(path, surroundings(path, repository))
    return _digest_of(Manifest.checked(content, path / MANIFEST, BundleError), content)


def _read_manifest(path: Path, within: tuple[Path, ...]) -> bytes:
    try:
        return read_file(path / MANIFEST, within, RECORD_BYTES)
    except FileNotFoundError:
        raise BundleError(f"{path} is no bundle: it has no {MANIFEST}") from None


def _digest_of(manifest: Manifest, content: bytes) -> str:
    """The manifest's own digest, or what it would be where the file is from before it was kept."""
    return manifest.digest or sealing_digest(json.loads(content))


def _with_arrays(
    path: Path, manifest: Manifest, within: tuple[Path, ...], copy: PrivateCopy | None
) -> Bundle:
    """Checks the listed files and reads the arrays."""
    for required in (MODEL, GOLDEN, manifest.calibration):
        if required not in manifest.files:
            raise BundleError(f"{path}: the manifest lists no {required}; export it again")
    golden, bounds = _golden_specs(manifest), {manifest.calibration: _CALIBRATION_BYTES}
    bounds[GOLDEN] = min(_GOLDEN_BYTES, _bytes_of(golden.values()))
    with open_listed(path, manifest, within, bounds, copy) as files:
        return Bundle(
            path=path,
            manifest=manifest,
            sizes={name: os.fstat(file.fileno()).st_size for name, file in files.items()},
            golden=Golden(
                **read_arrays(
                    path / GOLDEN,
                    files[GOLDEN],
                    golden,
                    lambda headers: _check_golden(path / GOLDEN, manifest, headers),
                )
            ),
            calibration=Calibration(
                **read_arrays(
                    path / manifest.calibration, files[manifest.calibration], _CALIBRATION
                )
            ),
        )


def check_place(path: Path, manifest: Manifest) -> None:
    """Refuses a copied or renamed folder, whose answers would bear the original's name.

    Raises:
        MisplacedBundleError: the path is not `<repository>/<name>/<version>`.
    """
    # Not resolved: a link has to be called what it is asked for by.
    path = Path(os.path.abspath(path))
    if (manifest.name, manifest.version) != (path.parent.name, path.name):
        raise MisplacedBundleError(
            f"{path} is whole, but holds model {manifest.name}, version {manifest.version}; move "
            f"it to <repository>/{manifest.name}/{manifest.version}, or export the model again "
            "under the other name"
        )


def _golden_specs(manifest: Manifest) -> dict[str, ArraySpec]:
    """The arrays of golden.npz for as many pictures as it may have."""
    height, width = manifest.preprocess.input_size
    most = _GOLDEN_PICTURES
    kind = ("u", 1) if manifest.preprocess.input == "uint8" else ("f", 4)
    return {
        "images": ArraySpec(*kind, 4, most * height * width * 3),
        "anomaly_map": ArraySpec("f", 8, 3, most * manifest.map.height * manifest.map.width),
        "score": ArraySpec("f", 8, 1, most),
    }


def _bytes_of(specs: Iterable[ArraySpec]) -> int:
    """Bytes of a file with the largest of these arrays."""
    return sum(spec.values * spec.item_bytes for spec in specs) + (64 << 10)


def _check_golden(file: Path, manifest: Manifest, headers: Mapping[str, ArrayHeader]) -> None:
    count = headers["score"].shape[0]
    image_shape = (count, *manifest.preprocess.input_size, 3)
    map_shape = (count, manifest.map.height, manifest.map.width)
    found = tuple(headers[name].shape for name in ("images", "anomaly_map", "score"))
    if count == 0 or found != (image_shape, map_shape, (count,)):
        raise BundleError(
            f"{file} has arrays of shapes {found}, but the manifest says "
            f"{(image_shape, map_shape, (count,))}; export the bundle again"
        )
    if sum(header.data_bytes for header in headers.values()) > _GOLDEN_BYTES:
        raise BundleError(f"{file} unpacks to more than {_GOLDEN_BYTES >> 20} MiB")
