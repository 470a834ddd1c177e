from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

import takt_models.fit.teacher.examples as examples_module
from takt_models.efficientad.config import TEACHER_CHANNELS
from takt_models.efficientad.detector import PDN
from takt_models.fit.backbone import CHANNELS, STRIDES
from takt_models.fit.device import Compute
from takt_models.fit.errors import TeacherError
from takt_models.fit.pictures import Load
from takt_models.fit.resume import ResumeMismatchError
from takt_models.fit.teacher.examples import FEATURES
from takt_models.fit.teacher.fit import FittedTeacher, fit_teacher
from takt_models.fit.teacher.options import TeacherOptions

pytestmark = pytest.mark.torch

OPTIONS = TeacherOptions(steps=4, batch_size=2, pool=3, save_every=2, held_out=0.2, textures=0.0)
PICTURES = tuple(Path(f"{number}.jpg") for number in range(6))


class Averages(nn.Module):
    """In place of the backbone: colours averaged over each stride, mixed to as many channels."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.mixes = [torch.randn(channels, 3, 1, 1, generator=generator) for channels in CHANNELS]

    def forward(self, images: Tensor) -> list[Tensor]:
        return [
            F.conv2d(F.avg_pool2d(images, stride), mix)
            for stride, mix in zip(STRIDES, self.mixes, strict=True)
        ]


def load(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (40, 60, 3), dtype=np.uint8)


@dataclass
class Interruption:
    """Lets so many pictures through, then fails."""

    left: int

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return load(path)


def fit(
    output: Path,
    options: TeacherOptions = OPTIONS,
    load: Load = load,
    start: PDN | None = None,
) -> FittedTeacher:
    compute = Compute.choose("cpu")
    return fit_teacher(PICTURES, load, output, options, compute, start=start, quiet=True)


@pytest.fixture(scope="module", autouse=True)
def cheap_backbone(narrow_networks: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples_module, "Lite0Features", Averages)
        patch.setattr(examples_module, "HELD_OUT_TEXTURES", 1)
        patch.setattr(examples_module, "STATISTICS_PICTURES", 4)
        yield


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedTeacher:
    return fit(tmp_path_factory.mktemp("whole") / "teacher")


def test_an_interrupted_teacher_ends_as_an_uninterrupted_one(
    fitted: FittedTeacher, tmp_path: Path
) -> None:
    statistics, pool, held_out = 4, 2, 1
    to_the_first_save = statistics + pool + OPTIONS.save_every + held_out
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "teacher", load=Interruption(to_the_first_save))
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.resume"]
    with pytest.raises(ResumeMismatchError, match="seed"):
        fit(tmp_path / "teacher", replace(OPTIONS, seed=1))

    resumed = fit(tmp_path / "teacher")

    for name, weight in resumed.network.state_dict().items():
        assert torch.equal(weight, fitted.network.state_dict()[name]), name
    assert [point.step for point in resumed.curve] == [2, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.resume"]


def test_a_teacher_has_the_backbones_channels_in_float16_precision(fitted: FittedTeacher) -> None:
    assert fitted.network.conv4.out_channels == FEATURES
    for name, weight in fitted.network.named_parameters():
        assert torch.equal(weight.half().float(), weight), name


def test_the_explained_variance_is_told_by_stride_and_on_surfaces(fitted: FittedTeacher) -> None:
    parts = dict(fitted.explained_variance_of)
    assert parts.pop("textures") < 1
    assert set(parts) == {"stride 8", "stride 16"}
    low, high = sorted(parts.values())
    assert low <= fitted.explained_variance <= high < 1


def test_a_teacher_goes_on_from_another(fitted: FittedTeacher, tmp_path: Path) -> None:
    options = replace(OPTIONS, steps=1, learning_rate=1e-30)
    same = fit(tmp_path / "teacher", options, start=fitted.network)
    for name, weight in same.network.state_dict().items():
        assert torch.equal(weight, fitted.network.state_dict()[name]), name


def test_a_teacher_of_another_kind_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=f"no PDN of size small with {FEATURES} channels"):
        fit(tmp_path / "teacher", start=PDN("small", 8))


def test_a_larger_teacher_says_the_same_in_more_channels(tmp_path: Path) -> None:
    larger = fit(tmp_path / "teacher", replace(OPTIONS, steps=1, variant="medium"))
    assert larger.network.conv6.out_channels == TEACHER_CHANNELS
    assert larger.explained_variance < 1


def test_one_picture_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two pictures"):
        fit_teacher(PICTURES[:1], load, tmp_path / "t", OPTIONS, Compute.choose("cpu"), quiet=True)
