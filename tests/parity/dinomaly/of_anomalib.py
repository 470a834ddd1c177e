"""What anomalib's own Dinomaly answers with the drawn weights. Run in its environment (2.7):

    PYTHONPATH=tests/parity/dinomaly python tests/parity/dinomaly/of_anomalib.py tests/data/dinomaly

Its architectures are of fixed sizes: the program enters smaller ones under their names.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import timm
import torch
from anomalib.models.image.dinomaly import torch_model
from anomalib.models.image.dinomaly.torch_model import DINO_ARCHITECTURES, DinomalyModel
from drawn import CASES, POSITIONS, STRIDE, Case
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer


def enter(case: Case) -> str:
    """Makes the case's architecture one that anomalib and timm know, and gives its name."""
    size = "large" if case.depth == 24 else "small"
    DINO_ARCHITECTURES[size] |= {"embed_dim": case.dim, "num_heads": case.dim // 64}
    name = f"vit_{size}_{case.name}"

    def build(**_: object) -> VisionTransformer:
        return VisionTransformer(
            img_size=14 * POSITIONS,
            patch_size=14,
            embed_dim=case.dim,
            depth=case.depth,
            num_heads=case.dim // 64,
            init_values=1e-5,
            reg_tokens=case.registers,
            no_embed_class=bool(case.registers),
            num_classes=0,
            dynamic_img_size=True,
        )

    build.__name__, build.__module__ = name, torch_model.__name__
    register_model(build)
    assert timm.is_model(name)
    return name


def answer(case: Case) -> dict[str, np.ndarray]:
    model = DinomalyModel(enter(case), **dict(case.hyper)).eval()
    kernel = model.gaussian_blur.kernel.clone()
    model.load_state_dict(case.state() | {"gaussian_blur.kernel": kernel})
    with torch.no_grad():
        found = model(case.inputs())
        exact = model.double()(case.inputs().double())
    return {
        f"{case.name}.map": found.anomaly_map[:, 0, ::STRIDE, ::STRIDE].numpy(),
        f"{case.name}.score": found.pred_score.numpy(),
        f"{case.name}.score64": exact.pred_score.numpy(),
    }


def main(folder: Path) -> None:
    answers = {}
    for case in CASES:
        if case.owner == "anomalib":
            answers |= answer(case)
    np.savez_compressed(folder / "anomalib.npz", **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
