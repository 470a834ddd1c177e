"""What anomalib itself answers to picture files, Takt answers with the checkpoint that it wrote.

anomalib lives in an environment of its own, which is made once, in the folder that `TAKT_ANOMALIB`
names or else in `~/.cache/takt/anomalib`. With `-s` the table of the errors is printed.
"""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from takt.core.bundles.bundle import load_bundle
from takt_export.commands.export import export
from takt_export.evaluation.inspectors import LocalInspector

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SCORE_TOLERANCE = 1e-5
"""Of a score, relative; or twice anomalib's own error in float32, where that is more."""

MAP_TOLERANCE = 1e-4
"""Of the map's span."""

REQUIREMENTS = {
    # 2.0 imports more than it asks for, and a module that newer OpenVINOs no longer have.
    "2.0": (
        "anomalib[core]==2.0.*",
        "openvino<2025.4",
        "python-dotenv",
        "requests",
        "scikit-learn",
    ),
    "2.7": ("anomalib==2.7.*",),
}
PEER = Path(__file__).with_name("anomalib_peer.py")

PATCHCORES = ("patchcore_wide_resnet50_2", "patchcore_resnet18", "patchcore_resnet50")
CASES = {
    "2.0": PATCHCORES,
    "2.7": (
        *PATCHCORES,
        "patchcore_efficientnet_b0",
        "efficientad_m",
        "efficientad_m_padded",
        "efficientad_s_512",
        "efficientad_s_384x256",
        "efficientad_s_256x384_padded",
        "efficientad_s_128_channels",
        "inpformer_small",
        "inpformer_base",
        "dinomaly_small",
    ),
}
"""Cases of the peer, by the release of anomalib that makes them."""


@dataclass(frozen=True)
class Errors:
    """The greatest errors of a case over all pictures.

    Attributes:
        release: release of anomalib.
        case: name of the case.
        score: error of the score, relative.
        own_score: anomalib's own, of float32 against float64.
        anomaly_map: error of the map, as a share of its span.
        own_map: anomalib's own.
    """

    release: str
    case: str
    score: float
    own_score: float
    anomaly_map: float
    own_map: float

    @property
    def row(self) -> str:
        numbers = (self.score, self.own_score, self.anomaly_map, self.own_map)
        return f"| {self.case} | {self.release} | {' | '.join(f'{n:.1e}' for n in numbers)} |"


Make = Callable[[str, str], Path]
"""Makes a case of a release; gives the path of its checkpoint, beside which the answers lie."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures smaller and larger than any input, of several shapes; the last two have defects."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    sizes = ((256, 256), (300, 200), (640, 480), (150, 200))
    for number, (width, height) in enumerate(sizes):
        coarse = random.uniform(30, 220, (height // 16 + 2, width // 16 + 2, 3))
        fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        pixels = np.clip(fine + random.normal(0, 6, fine.shape), 0, 255).astype(np.uint8)
        if number >= 2:
            cv2.circle(pixels, (width // 2, height // 3), 20, (0, 0, 255), -1)
        assert cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return folder


@pytest.fixture(scope="module")
def make(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Makes cases; anomalib is loaded once for all of a release."""
    with ExitStack() as stack:
        peers: dict[str, tuple[subprocess.Popen[str], Path]] = {}

        def made(release: str, case: str) -> Path:
            if release not in peers:
                out = tmp_path_factory.mktemp(f"anomalib-{release}")
                peers[release] = stack.enter_context(peer(release, pictures, out)), out
            process, out = peers[release]
            assert process.stdin and process.stdout
            print(case, file=process.stdin, flush=True)
            assert process.stdout.readline().strip() == case, "the peer has failed; see its log"
            return out / f"{case}.ckpt"

        yield made


@contextmanager
def peer(release: str, pictures: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    command = [environment(release), PEER, "--pictures", pictures, "--out", out]
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def environment(release: str) -> Path:
    """The Python that has this release of anomalib; its environment is made if it is missing."""
    cache = Path(os.environ.get("TAKT_ANOMALIB") or Path.home() / ".cache" / "takt" / "anomalib")
    folder = cache / release
    python, complete = folder / "bin" / "python", folder / "complete"
    if complete.is_file():
        return python
    venv.create(folder, clear=True, with_pip=True)
    # The same torch on both sides, so that nothing but the two codes is compared.
    ours = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "torchvision")]
    command = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[release], *ours]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if "Retrying" in installed.stderr and "(from versions: none)" in installed.stderr:
        pytest.skip(f"anomalib {release} is not installed, and no registry can be reached")
    assert installed.returncode == 0, installed.stderr
    complete.touch()
    return python


@pytest.fixture(scope="module")
def tell() -> Callable[[Errors], None]:
    """Prints the rows of the table."""
    print("\n| case | anomalib | score | its own | map | its own |\n|---|---|---|---|---|---|")
    return lambda errors: print(errors.row, flush=True)


@pytest.mark.parametrize(
    ("release", "case"), [(release, case) for release, cases in CASES.items() for case in cases]
)
def test_the_score_and_the_map_of_picture_files_are_anomalib_s(
    make: Make,
    pictures: Path,
    tell: Callable[[Errors], None],
    tmp_path: Path,
    release: str,
    case: str,
) -> None:
    checkpoint = make(release, case)
    theirs = np.load(checkpoint.with_suffix(".npz"))
    scores, maps = served(checkpoint, pictures, tmp_path / "parts" / "1", list(theirs["names"]))
    errors = Errors(
        release,
        case,
        score=relative(scores, theirs["score"]),
        own_score=relative(theirs["score"], theirs["exact_score"]),
        anomaly_map=of_span(maps, theirs["map"]),
        own_map=of_span(theirs["map"], theirs["exact_map"]),
    )
    tell(errors)
    assert errors.score <= max(SCORE_TOLERANCE, 2 * errors.own_score), errors
    assert errors.anomaly_map <= MAP_TOLERANCE, errors


def served(
    checkpoint: Path, pictures: Path, out: Path, names: list[str]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores [N] and maps [N,h,w] of picture files, by a bundle and the service's own code."""
    arguments = ["onnx", str(checkpoint), "--good", str(pictures), "--out", str(out)]
    result = CliRunner().invoke(export, [*arguments, "--alpha", "0.4", "-q"])
    assert result.exit_code == 0, result.output
    with LocalInspector(load_bundle(out), threads=2) as inspector:
        found = [inspector.inspect((pictures / name).read_bytes()) for name in names]
    return np.array([one.score for one in found]), np.stack([one.anomaly_map for one in found])


def relative(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    return float(np.max(np.abs(ours - theirs) / np.abs(theirs)))


def of_span(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    assert ours.shape == theirs.shape
    spans = np.ptp(theirs, axis=(1, 2))
    return float(np.max(np.abs(ours - theirs).max(axis=(1, 2)) / spans))
