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
from benchmarks.corpus.table import markdown
from takt.core.bundles.conformal import needed_for

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
            _evaluated(data / name, family, minutes, out)
            print(f"{name}: {FAMILIES[family]}", flush=True)


def report(data: Path, minutes: float, out: Path) -> str:
    """The table."""
    rows = [
        [name, title, f"{minutes:g}", *_cells(_file(name, family, minutes, out))]
        for name in _sets(data)
        for family, title in FAMILIES.items()
    ]
    ours = (f"ours at {alpha:.0%}" for alpha in ALPHAS)
    return markdown(["set", "model", "minutes", "AUROC", *ours], rows)


def _sets(data: Path) -> Iterator[str]:
    return (name for name in SETS if (data / name).is_dir())


def _file(name: str, family: str, minutes: float, out: Path) -> Path:
    return out / f"{name}-{family}-{minutes:g}min.json"


def _cells(path: Path) -> list[str]:
    """AUROC, and rejected / found in per cent at each rate, or why not."""
    told = json.loads(path.read_text())
    at = {one["alpha"]: one["confusion"] for one in told["at_rates"]}
    good = told["bundle"]["thresholds"]["good_count"]
    shares = [
        f"{100 * at[alpha]['false_reject_rate']:.1f} / {100 * at[alpha]['recall']:.1f}"
        if alpha in at
        else f"{good} of {needed_for(alpha)} good pictures"
        for alpha in ALPHAS
    ]
    return [f"{told['real']['image']['auroc']:.3f}", *shares]


def _evaluated(root: Path, family: str, minutes: float, out: Path) -> None:
    path = _file(root.name, family, minutes, out)
    if path.is_file():
        return
    good, fitted = root / "train" / "good", path.with_suffix(".safetensors")
    bundle = out / "models" / path.stem / "1"
    out.mkdir(parents=True, exist_ok=True)
    if not fitted.is_file():
        _takt(["fit", family, "--good", good, "--minutes", minutes, "--out", fitted])
    if not bundle.is_dir():
        _takt(["export", "onnx", fitted, "--good", good, "--alpha", ALPHAS[0], "--out", bundle])
    _takt(["eval", bundle, "--data", root, "--threads", 1, "--json", path, "--quiet"])


def _takt(words: Sequence[Any]) -> None:
    command = [str(Path(sys.executable).with_name("takt")), *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise CorpusError(f"takt {words[0]} failed: {lines[-1]}")
