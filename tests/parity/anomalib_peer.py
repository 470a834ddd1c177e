"""The other side of test_anomalib.py, in an environment of anomalib's own, without Takt.

Makes a checkpoint of each asked case with weights of chance, by anomalib's own classes and
Lightning's own writer, and answers the pictures from their files as anomalib reads and prepares
them, in float32 and in float64. A case is a function below with `@case`; its name is the
checkpoint's.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from anomalib.data.utils.image import read_image
from anomalib.models.components import AnomalibModule
from torch import Tensor, nn

CASES: dict[str, Callable[[list[Path]], AnomalibModule]] = {}
GOOD = 2
"""Pictures, the first ones, whose features fill banks and whose maps give quantiles. The others are
answered: to a bank's own pictures a distance is little but the rounding of the public code."""


def case(make: Callable[[list[Path]], AnomalibModule]) -> Callable[[list[Path]], AnomalibModule]:
    CASES[make.__name__] = make
    return make


def prepared(model: AnomalibModule, path: Path, dtype: torch.dtype = torch.float32) -> Tensor:
    """The input [1,3,H,W] of a picture's file, prepared as in anomalib's own loops."""
    picture = read_image(path, as_tensor=True)
    if dtype == torch.float64:
        # From the same 8 bits, of which float32 keeps a little less.
        picture = (picture * 255).round().double() / 255
    return model.pre_processor.transform(picture[None])


def varied(network: nn.Module, inputs: list[Tensor]) -> None:
    """Gives batch norms weights of chance, and the statistics of what flows through them."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for one in inputs:
            network(one)
    network.eval()


# EfficientAd


def efficient_ad(
    pictures: list[Path], size: tuple[int, int] = (256, 256), **options: object
) -> AnomalibModule:
    from anomalib.models import EfficientAd

    pre_processor = EfficientAd.configure_pre_processor(size)
    model = EfficientAd(pre_processor=pre_processor, evaluator=False, visualizer=False, **options)
    network = model.model.eval()
    inputs = [prepared(model, path) for path in pictures[:GOOD]]
    with torch.no_grad():
        features = torch.cat([network.teacher(one) for one in inputs])
        network.mean_std["mean"].data = features.mean((0, 2, 3), keepdim=True)
        network.mean_std["std"].data = features.std((0, 2, 3), keepdim=True)
        for maps, name in zip(
            zip(*(network.get_maps(one, normalize=False) for one in inputs), strict=True),
            ("st", "ae"),
            strict=True,
        ):
            for quantile, q in (("qa", 0.9), ("qb", 0.995)):
                network.quantiles[f"{quantile}_{name}"].data = torch.quantile(torch.cat(maps), q)
    return model


@case
def efficientad_s_512(pictures: list[Path]) -> AnomalibModule:
    return efficient_ad(pictures, (512, 512))


@case
def efficientad_s_384x256(pictures: list[Path]) -> AnomalibModule:
    return efficient_ad(pictures, (256, 384))


@case
def efficientad_s_256x384_padded(pictures: list[Path]) -> AnomalibModule:
    return efficient_ad(pictures, (384, 256), padding=True)


@case
def efficientad_s_128_channels(pictures: list[Path]) -> AnomalibModule:
    return efficient_ad(pictures, teacher_out_channels=128)


@case
def efficientad_m(pictures: list[Path]) -> AnomalibModule:
    return efficient_ad(pictures, model_size="medium")


@case
def efficientad_m_padded(pictures: list[Path]) -> AnomalibModule:
    return efficient_ad(pictures, model_size="medium", padding=True)


# PatchCore


def patchcore(
    pictures: list[Path],
    backbone: str,
    layers: tuple[str, ...] = ("layer2", "layer3"),
    **options: object,
) -> AnomalibModule:
    from anomalib.models import Patchcore

    model = Patchcore(
        backbone=backbone,
        layers=layers,
        pre_trained=False,
        evaluator=False,
        visualizer=False,
        **options,
    )
    network = model.model
    inputs = [prepared(model, path) for path in pictures[:GOOD]]
    varied(network.feature_extractor.feature_extractor, inputs)
    network.train()
    with torch.no_grad():
        patches = torch.cat([network(one) for one in inputs])
    if hasattr(network, "embedding_store"):
        network.embedding_store.clear()
    # Of what several pictures show; a coreset would take minutes to choose.
    chosen = torch.randperm(len(patches))[: min(len(patches), 4500)]
    network.memory_bank = patches[chosen] + 0.05 * patches.std() * torch.randn(
        len(chosen), patches.shape[1]
    )
    network.eval()
    return model


@case
def patchcore_wide_resnet50_2(pictures: list[Path]) -> AnomalibModule:
    return patchcore(pictures, "wide_resnet50_2")


@case
def patchcore_resnet18(pictures: list[Path]) -> AnomalibModule:
    return patchcore(pictures, "resnet18", ("layer1", "layer2", "layer3"))


@case
def patchcore_resnet50(pictures: list[Path]) -> AnomalibModule:
    return patchcore(pictures, "resnet50", num_neighbors=5)


@case
def patchcore_efficientnet_b0(pictures: list[Path]) -> AnomalibModule:
    return patchcore(pictures, "efficientnet_b0", ("blocks.2", "blocks.4"))


# INP-Former and Dinomaly


def on_dinov2(make: Callable[..., AnomalibModule], encoder: str) -> AnomalibModule:
    create = timm.create_model
    timm.create_model = lambda *args, **kwargs: create(*args, **{**kwargs, "pretrained": False})
    try:
        model = make(encoder, evaluator=False, visualizer=False)
    finally:
        timm.create_model = create
    for block in model.model.encoder.feature_extractor.blocks:
        # Untrained, these are 1e-5, and the encoder passes its input on.
        nn.init.uniform_(block.ls1.gamma, 0.1, 0.5)
        nn.init.uniform_(block.ls2.gamma, 0.1, 0.5)
    return model.eval()


def inp_former(encoder: str) -> AnomalibModule:
    from anomalib.models import InpFormer

    return on_dinov2(InpFormer, encoder)


@case
def inpformer_small(pictures: list[Path]) -> AnomalibModule:
    return inp_former("vit_small_patch14_reg4_dinov2")


@case
def inpformer_base(pictures: list[Path]) -> AnomalibModule:
    return inp_former("vit_base_patch14_reg4_dinov2")


@case
def dinomaly_small(pictures: list[Path]) -> AnomalibModule:
    from anomalib.models import Dinomaly

    model = on_dinov2(Dinomaly, "vit_small_patch14_reg4_dinov2")
    for weight in model.trainable_modules.parameters():
        if weight.ndim == 2:
            # Untrained, these are a hundredth, and the decoder passes its input on.
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
    return model


# What all share


def save(model: AnomalibModule, path: Path) -> None:
    """Writes the checkpoint as Lightning's trainer does."""
    from lightning.pytorch import Trainer

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            logger=False,
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(path)


def answers(
    model: AnomalibModule, pictures: list[Path], dtype: torch.dtype
) -> dict[str, np.ndarray]:
    """Scores [N] and maps [N,h,w] of the pictures."""
    network = model.model.to(dtype).eval()
    scores, maps = [], []
    with torch.no_grad():
        for path in pictures:
            answer = network(prepared(model, path, dtype))
            scores.append(answer.pred_score.reshape(()).numpy())
            maps.append(answer.anomaly_map[0].reshape(answer.anomaly_map.shape[-2:]).numpy())
    return {"score": np.stack(scores), "map": np.stack(maps)}


def main() -> None:
    """Makes the cases whose names come by lines; the name of each is printed when it is made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, required=True, help="folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files that are made")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    replies, sys.stdout = sys.stdout, sys.stderr
    pictures = sorted(given.pictures.iterdir())
    asked = pictures[GOOD:]
    for name in map(str.strip, sys.stdin):
        torch.manual_seed(len(name))
        model = CASES[name](pictures).eval()
        save(model, given.out / f"{name}.ckpt")
        rounded = answers(model, asked, torch.float32)
        exact = answers(model, asked, torch.float64)
        np.savez(
            given.out / f"{name}.npz",
            names=[path.name for path in asked],
            **rounded,
            **{f"exact_{key}": value for key, value in exact.items()},
        )
        print(name, file=replies, flush=True)


if __name__ == "__main__":
    main()
