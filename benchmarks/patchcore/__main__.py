"""A row for each setting on each set of pictures.

    python -m benchmarks.patchcore --data ../shared/data --scratch /tmp/blocks \
        --sets bsdata_pitting mvtec_bottle aws_cookies deeppcb --only auto white

Thresholds are at 5 % of out-of-fold scores of the good pictures.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.patchcore.bank import measure
from benchmarks.patchcore.blocks import cached, pictures_of
from benchmarks.patchcore.figures import RULES, judge, pixels
from benchmarks.patchcore.variants import VARIANTS
from export.pictures import read_picture


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--every", type=int, default=1, help="take each n-th picture")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=[*VARIANTS], default=[*VARIANTS])
    parser.add_argument("--rules", nargs="*", choices=[*RULES], default=[*RULES])
    parser.add_argument("--pixels", action="store_true", help="metrics of the maps too")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scored", type=int, default=0, help="good pictures for thresholds")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for name in given.sets:
        pictures = pictures_of(given.data / name, given.every)
        height, width, _ = read_picture(pictures.good[0]).shape
        for variant in given.only:
            setting = VARIANTS[variant]
            started_s = time.perf_counter()
            size = setting.size_for(width, height)
            outputs = cached(pictures, size, setting.used, given.scratch)
            read_s = time.perf_counter() - started_s
            figures = []
            every = [
                measure(outputs, len(pictures.good), replace(setting, seed=seed), given.scored)
                for seed in range(given.seeds)
            ]
            for rule in given.rules:
                judged = [judge(maps, pictures, RULES[rule]) for maps in every]
                aurocs = [one.auroc for one in judged]
                spread = f"±{np.std(aurocs):.3f}" if given.seeds > 1 else ""
                rejected = np.mean([one.rejected for one in judged])
                found = np.mean([one.found for one in judged])
                figures.append(f"{rule} {np.mean(aurocs):.3f}{spread} {rejected:.3g}/{found:.3g}")
            took_s = time.perf_counter() - started_s - read_s
            if given.pixels and (metrics := pixels(every[0], pictures)):
                figures.append(f"pixel {metrics.auroc:.3f} aupro {metrics.aupro_30:.3f}")
            print(
                f"{name:14} {variant:16} {size[0]}x{size[1]} {read_s:4.0f}+{took_s:3.0f}s |",
                " | ".join(figures),
                flush=True,
            )


if __name__ == "__main__":
    main()
