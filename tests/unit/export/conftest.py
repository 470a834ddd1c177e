"""A detector too thin to be any good, and pictures of noise: exporting them is quick."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.inspection.inference import Pools
from takt.observing.instruments.metrics import Metrics
from takt.repository.context import version_context
from takt.repository.model_version import ModelVersion
from takt.settings import Settings
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.fit.device import round_to_fp16

ServeOnce = Callable[[Path, Settings], ModelVersion]
WritePictures = Callable[..., list[Path]]


def thin_network(out_channels: int) -> PDN:
    network = PDN("small", out_channels)
    network.conv1 = nn.Conv2d(3, 8, 4)
    network.conv2 = nn.Conv2d(8, 8, 4)
    network.conv3 = nn.Conv2d(8, 8, 3)
    network.conv4 = nn.Conv2d(8, out_channels, 4)
    return network


def finish(model: EfficientAd) -> EfficientAd:
    """What the end of a fit does: weights of float16, statistics, quantiles."""
    round_to_fp16(model)
    model.teacher_mean.normal_(0, 0.01)
    model.teacher_std.uniform_(0.05, 0.1)
    model.quantiles.copy_(torch.tensor([0.05, 0.1, 0.03, 0.1]))
    return model.eval()


@pytest.fixture(scope="session", autouse=True)
def _made_up_defects_left_out(made_up_defects_left_out: None) -> None:
    """Tests of other things export as fast as they can."""


@pytest.fixture(scope="session", autouse=True)
def _traced_once(traced_once: None) -> None:
    """Tests of one module export alike again and again."""


@pytest.fixture(scope="session")
def thin_model() -> EfficientAd:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EfficientAd(EfficientAdConfig())
        model.teacher, model.student = thin_network(384), thin_network(768)
        return finish(model)


@pytest.fixture(scope="session")
def small_model() -> EfficientAd:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return finish(EfficientAd(EfficientAdConfig()))


@pytest.fixture
def thin_checkpoint(thin_model: EfficientAd) -> Checkpoint:
    return Checkpoint(
        thin_model,
        framework="takt",
        recipe=InputRecipe(256, 256, "area"),
        seen=("0" * 16,),
        made_with={"torch": "2"},
    )


@pytest.fixture(scope="session")
def pictures(write_pictures: WritePictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 4 pictures in `good` and 2 in `bad`."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "good", 4)
    write_pictures(folder / "bad", 2, high=255)
    return folder


@pytest.fixture(scope="session")
def exported(
    thin_model: EfficientAd, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle of the thin detector, without variants; to be copied, not changed."""
    checkpoint = Checkpoint(
        thin_model,
        framework="takt",
        recipe=InputRecipe(256, 256, "area"),
        seen=("0" * 16,),
        made_with={"torch": "2"},
    )
    path = tmp_path_factory.mktemp("exported") / "parts" / "1"
    export_bundle(
        CheckpointSource(checkpoint),
        sorted((pictures / "good").iterdir()),
        [],
        path,
        ExportOptions(alpha=0.2),
        tell=lambda _: None,
        quiet=True,
    )
    return path


@pytest.fixture
def thin(exported: Path, tmp_path: Path) -> Bundle:
    """A copy of it to add to."""
    shutil.copytree(exported, tmp_path / "models" / "parts" / "1")
    return load_bundle(tmp_path / "models" / "parts" / "1")


@pytest.fixture(scope="session")
def serve_once() -> ServeOnce:
    """Loads a bundle's folder as the service does, and closes it again."""

    async def load(path: Path, settings: Settings) -> ModelVersion:
        model = ModelVersion(path)
        with ThreadPoolExecutor(1) as pool:
            await model.load(version_context(settings, Pools(pool, pool, 1), Metrics()))
            await model.close(10)
        return model

    return lambda path, settings: asyncio.run(load(path, settings))
