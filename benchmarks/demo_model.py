"""Makes the model that `takt demo` serves anew, of drawn pictures, and measures it on others.

    python -m benchmarks.demo_model            # make demo-model: a minute on one core
    python -m benchmarks.demo_model --measure  # the one that is there

It needs the exporter. The new bundle takes the place of the one in `service/takt/commands/demo`. It
is fitted and exported in two steps: `takt learn` would keep the fit's file in it, which is larger
than all others together.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from takt.commands.demo.part import TRUTHS, Truth, jpeg
from takt.commands.demo.shipped import MODEL, SHIPPED
from takt.core.distribution import COMMAND
from takt.core.domain import InspectOptions
from takt.core.inspection.opened import opened

FITTED = range(120)
"""Seeds of the good pictures that are learned."""
SIZE = "256x192"

MEASURED_GOOD = range(10_000, 10_200)
MEASURED_DEFECTS = range(10_000, 10_050)


def main() -> None:
    """Make the bundle unless it is only measured; print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="measure the one that is there")
    if not parser.parse_args().measure:
        remake()
    for truth in TRUTHS:
        seeds = MEASURED_GOOD if truth == "good" else MEASURED_DEFECTS
        rejected = asyncio.run(count_rejected(truth, seeds))
        print(f"{truth:<13} {rejected:3d} of {len(seeds)} rejected")
    print(f"{sum(one.stat().st_size for one in SHIPPED.rglob('*')) / 1e6:.2f} MB")


def remake() -> None:
    """Learn the model from drawn pictures, and put it where the package has it."""
    with TemporaryDirectory() as temporary:
        good, fitted = Path(temporary, "good"), Path(temporary, f"{MODEL}.safetensors")
        made = Path(temporary, MODEL, "1")
        good.mkdir()
        for seed in FITTED:
            (good / f"{seed:03}.jpg").write_bytes(jpeg(seed))
        fit = ["fit", "patchcore", "--good", good, "--size", SIZE, "--out", fitted]
        export = ["export", "onnx", fitted, "--good", good, "--out", made]
        for command in (fit, export):
            subprocess.run([*COMMAND, *map(str, command)], check=True)
        shutil.rmtree(SHIPPED, ignore_errors=True)
        shutil.copytree(made, SHIPPED / MODEL / "1")


async def count_rejected(truth: Truth, seeds: Sequence[int]) -> int:
    """How many pictures of these seeds the shipped model calls anomalous."""
    rejected = 0
    async with opened(SHIPPED / MODEL / "1") as model:
        for seed in seeds:
            data = jpeg(seed, truth)

            async def read(data: bytes = data) -> bytes:
                return data

            inspection = await model.inspect(read, InspectOptions(timeout_s=60.0))
            rejected += inspection.verdict.anomalous
    return rejected


if __name__ == "__main__":
    main()
