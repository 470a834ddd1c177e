"""A bank on sets of pictures, from the folder of good ones to the answers of a running server.

    python -m benchmarks.patchcore.accuracy DATA/bsdata_pitting DATA/mvtec_bottle \
        [--shots 4 16] [--alpha 0.05] [--json FILE]

Each set has MVTec AD's layout. For each: `takt fit`, `takt export onnx` and `takt serve` with their
defaults, then `takt eval --url`. Shots are as many good pictures, evenly spaced by name; so few
promise no rate, and only their ranking is printed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.realtime.server import TAKT, TaktServer
from export.pictures import list_pictures

ALPHA_OF_FEW = 0.5


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: of the set.
        good: pictures given to the fit.
        fit_s: seconds from pictures to a bundle.
        image_auroc: of the scores.
        pixel_auroc: of the maps.
        aupro_30: of the maps, up to a rate of 0.3.
        alpha: false-reject rate asked for.
        rejected: good pictures above the threshold.
        good_tested: of so many.
        found: defective pictures above it.
        defective: of so many.
        p50_ms: of one client.
    """

    name: str
    good: int
    fit_s: float
    image_auroc: float
    pixel_auroc: float
    aupro_30: float
    alpha: float
    rejected: int
    good_tested: int
    found: int
    defective: int
    p50_ms: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--family", default="patchcore", choices=["patchcore", "inpformer"])
    parser.add_argument("--options", default="", help="further ones of the fit, in one word")
    parser.add_argument("--shots", nargs="*", type=int, default=[])
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    print(HEAD)
    for root in given.sets:
        for shots in (0, *given.shots):
            row = measured(root, shots, given)
            rows.append(row)
            print(_line(row), flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def measured(root: Path, shots: int, given: argparse.Namespace) -> Row:
    """Fit, export, serve and evaluate."""
    alpha = ALPHA_OF_FEW if shots else given.alpha
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        good = root / "train" / "good"
        if shots:
            good = folder / "good"
            good.mkdir()
            for path in _spread(list_pictures(root / "train" / "good"), shots):
                shutil.copy(path, good)
        checkpoint, bundle = folder / "part.safetensors", folder / "models" / "part" / "1"
        started_s = time.perf_counter()
        options = given.options.split()
        _takt("fit", given.family, "--good", good, "--out", checkpoint, "-q", *options)
        _takt("export", "onnx", checkpoint, "--good", good, "--alpha", alpha, "--out", bundle, "-q")
        fit_s = time.perf_counter() - started_s
        out = folder / "figures.json"
        with TaktServer(folder / "models", "--engine", given.engine) as server:
            _takt("eval", bundle, "--data", root, "--url", server.url, "--json", out, "-q")
        found = json.loads(out.read_bytes())
    real, confusion = found["real"], found["real"]["confusion"]
    return Row(
        name=root.name,
        good=shots or len(list_pictures(root / "train" / "good")),
        fit_s=fit_s,
        image_auroc=real["image"]["auroc"],
        pixel_auroc=real["pixel"]["auroc"] if real["pixel"] else float("nan"),
        aupro_30=real["pixel"]["aupro_30"] if real["pixel"] else float("nan"),
        alpha=alpha,
        rejected=confusion["false_positive"],
        good_tested=real["good"],
        found=confusion["true_positive"],
        defective=real["defective"],
        p50_ms=found["wall"]["p50_ms"],
    )


def _spread(paths: Sequence[Path], count: int) -> Iterator[Path]:
    return (paths[number * len(paths) // count] for number in range(count))


def _takt(*words: object) -> None:
    command = [str(TAKT), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


HEAD = (
    "| set | good pictures | s to a bundle | image AUROC | pixel AUROC | AUPRO 30 % | alpha "
    "| good rejected | defective found | p50, one client, ms |\n" + "|---" * 10 + "|"
)


def _line(row: Row) -> str:
    rates = (
        f"{row.alpha:g} | {row.rejected} of {row.good_tested} | {row.found} of {row.defective}"
        if row.alpha != ALPHA_OF_FEW
        else "– | – | –"
    )
    return (
        f"| {row.name} | {row.good} | {row.fit_s:.0f} | {row.image_auroc:.4f} "
        f"| {row.pixel_auroc:.3f} | {row.aupro_30:.3f} | {rates} | {row.p50_ms:.1f} |"
    )


if __name__ == "__main__":
    main()
