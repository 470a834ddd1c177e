"""EfficientAD and INP-Former on Lite0, fitted by Takt's own commands with a budget of minutes.

Not comparable to published figures: those rest on other encoders and on hours of training.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.corpus.sets import CorpusError
from benchmarks.corpus.table import NONE, markdown

FAMILIES = {"efficientad": "EfficientAD", "inpformer": "INP-Former"}
SETS = ("bsdata_pitting", "mvtec_bottle")
"""Surfaces, and parts that lie alike."""

ALPHAS = (0.05, 0.01)


def fit_trained(data: Path, minutes: float, out: Path) -> None:
    """Fits, exports and evaluates what is not kept yet.

    Raises:
        CorpusError: a command failed.
    """
    for name in _sets(data):
        for family in FAMILIES:
            for alpha in ALPHAS:
                _evaluated(data / name, family, minutes, alpha, out)
            print(f"{name}: {FAMILIES[family]}", flush=True)


def report(data: Path, minutes: float, out: Path) -> str:
    """The table."""
    rows = []
    for name in _sets(data):
        for family, title in FAMILIES.items():
            cells = [_cells(_file(name, family, minutes, alpha, out)) for alpha in ALPHAS]
            rows.append([name, title, f"{minutes:g}", *cells[0], cells[1][1]])
    at_5, at_1 = (f"ours at {alpha:.0%}" for alpha in ALPHAS)
    return markdown(["set", "model", "minutes", "AUROC", at_5, "a picture, ms", at_1], rows)


def _sets(data: Path) -> Iterator[str]:
    return (name for name in SETS if (data / name).is_dir())


def _file(name: str, family: str, minutes: float, alpha: float, out: Path) -> Path:
    return out / f"{name}-{family}-{minutes:g}min-{alpha:g}.json"


def _cells(path: Path) -> list[str]:
    """AUROC, rejected and found, milliseconds; of a bundle that was refused, why."""
    if not path.is_file():
        return [NONE] * 3
    told = json.loads(path.read_text())
    if "reason" in told:
        return [NONE, told["reason"], NONE]
    real, rates = told["real"], told["real"]["confusion"]
    found = f"{100 * rates['false_reject_rate']:.1f} / {100 * rates['recall']:.1f}"
    return [f"{real['image']['auroc']:.3f}", found, f"{told['total']['p50_ms']:.1f}"]


def _evaluated(root: Path, family: str, minutes: float, alpha: float, out: Path) -> None:
    path = _file(root.name, family, minutes, alpha, out)
    if path.is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    good, checkpoint = root / "train" / "good", out / f"{root.name}-{family}-{minutes:g}min"
    fitted = checkpoint.with_suffix(".safetensors")
    if not fitted.is_file():
        fit = ["fit", family, "--good", good, "--minutes", minutes, "--size", 256, "--out", fitted]
        _takt(fit)
    bundle = out / "models" / checkpoint.name / "1"
    exporting = ["export", "onnx", fitted, "--good", good, "--alpha", alpha, "--out", bundle]
    try:
        _takt(exporting)
    except CorpusError as error:
        path.write_text(json.dumps({"reason": str(error)}))
        return
    _takt(["eval", bundle, "--data", root, "--threads", 1, "--json", path, "--quiet"])


def _takt(words: Sequence[Any]) -> None:
    command = [str(Path(sys.executable).with_name("takt")), *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise CorpusError(lines[-1])
