"""Where the comparison keeps what it makes, and where it finds the peers' environments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "out" / "peers"


@dataclass(frozen=True, slots=True)
class Places:
    """Folders, none of which git knows.

    Attributes:
        out: holds the models, pictures, bundles, logs and results.
        venvs: holds one virtual environment for each peer; `setup.sh` makes them.
    """

    out: Path
    venvs: Path

    @property
    def assets(self) -> Path:
        """The graphs and pictures that every system gets."""
        return self.out / "assets"

    @property
    def bundles(self) -> Path:
        """The same graphs as Takt serves them."""
        return self.out / "bundles"

    @property
    def results(self) -> Path:
        """One JSON file for each system measured, and one log for each system started."""
        return self.out / "results"

    def graph(self, model: str) -> Path:
        """The ONNX file of a model."""
        return self.assets / f"{model}.onnx"

    def picture(self, width: int) -> Path:
        """The JPEG of a width."""
        return self.assets / f"img{width}.jpg"

    def repository(self, model: str, kind: str) -> Path:
        """The repository that holds the one bundle of a model and a kind; see `bundles.KINDS`."""
        return self.bundles / kind / model


def default_places() -> Places:
    """Those of this checkout; BENCH_VENVS names other environments."""
    return Places(out=OUT, venvs=Path(os.environ.get("BENCH_VENVS", OUT / "venvs")))
