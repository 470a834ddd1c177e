from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.fit.device import Compute, round_to_fp16
from takt_models.fit.efficientad.fit import FitError, fit_efficientad, hard_quantile, learning_rate
from takt_models.fit.efficientad.losses import LOSSES
from takt_models.fit.efficientad.options import EfficientAdOptions
from takt_models.fit.looks import LOOK, Spoil
from takt_models.fit.pictures import Load
from takt_models.fit.progress import Fitted
from takt_models.fit.resume import ResumeMismatchError

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("narrow_networks")]

CHANNELS = 32
"""Of the teacher."""

OPTIONS = EfficientAdOptions(steps=3, save_every=1, penalty_size=49)
GOOD = tuple(Path(f"good/{number}.png") for number in range(5))
OTHER = tuple(Path(f"other/{number}.jpg") for number in range(4))


def load(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (256, 256, 3), dtype=np.uint8)


def load_other(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(100 + int(path.stem))
    return noise.integers(0, 256, (120, 200, 3), dtype=np.uint8)


@dataclass
class Interruption:
    """Lets so many pictures through, then fails."""

    left: int

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return load_other(path)


@pytest.fixture(scope="module")
def teacher(narrow_networks: None) -> PDN:
    torch.manual_seed(0)
    return PDN("small", CHANNELS)


def fit(
    teacher: PDN,
    output: Path,
    options: EfficientAdOptions = OPTIONS,
    *,
    good: Sequence[Path] = GOOD,
    load: Load = load,
    load_other: Load = load_other,
    spoil: Spoil | None = None,
    digests: Mapping[Path, str] | None = None,
) -> Fitted[EfficientAd]:
    compute = Compute.choose("cpu")
    return fit_efficientad(
        good,
        OTHER,
        load,
        load_other,
        teacher,
        output,
        options,
        compute,
        digests=digests,
        spoil=spoil,
        quiet=True,
    )


@pytest.fixture(scope="module")
def read() -> set[Path]:
    """The good pictures that the uninterrupted fit has read."""
    return set()


@pytest.fixture(scope="module")
def fitted(
    teacher: PDN, read: set[Path], tmp_path_factory: pytest.TempPathFactory
) -> Fitted[EfficientAd]:
    def noted(path: Path) -> NDArray[np.uint8]:
        read.add(path)
        return load(path)

    return fit(teacher, tmp_path_factory.mktemp("whole") / "parts.safetensors", load=noted)


@pytest.fixture(scope="module")
def interrupted(teacher: PDN, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The output of a fit that was stopped in its last step."""
    output = tmp_path_factory.mktemp("interrupted") / "parts.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(teacher, output, load_other=Interruption(left=len(OTHER) + OPTIONS.steps - 1))
    yield output
    shutil.rmtree(output.parent)


def test_a_resumed_fit_ends_as_an_uninterrupted_one(
    fitted: Fitted[EfficientAd], interrupted: Path, teacher: PDN, tmp_path: Path
) -> None:
    state = interrupted.with_name("parts.safetensors.resume")
    shutil.copy(state, tmp_path / state.name)
    resumed = fit(teacher, tmp_path / interrupted.name)
    expected = fitted.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert resumed.curve == fitted.curve
    assert resumed.seen == fitted.seen
    assert list(tmp_path.iterdir()) == [tmp_path / state.name]  # until the caller kept the model


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 4}, {"learning_rate": 1e-4}])
def test_resuming_with_other_options_is_refused(
    interrupted: Path, teacher: PDN, change: dict[str, float]
) -> None:
    with pytest.raises(ResumeMismatchError, match=next(iter(change))):
        fit(teacher, interrupted, replace(OPTIONS, **change))  # type: ignore[arg-type]


def test_resuming_with_other_pictures_of_the_same_names_is_refused(
    teacher: PDN, tmp_path: Path
) -> None:
    output, contents = tmp_path / "m.safetensors", {path: path.stem for path in GOOD}
    stopped = Interruption(left=len(OTHER) + OPTIONS.steps - 1)
    with pytest.raises(KeyboardInterrupt):
        fit(teacher, output, load_other=stopped, digests=contents)
    with pytest.raises(ResumeMismatchError, match=r"other options \(good\)"):
        fit(teacher, output, digests={path: f"another {path.stem}" for path in GOOD})
    renamed = {Path("a") / path.name: digest for path, digest in contents.items()}
    assert fit(teacher, output, good=tuple(renamed), digests=renamed).steps == OPTIONS.steps


def test_an_unreadable_picture_is_met_before_the_first_step(
    teacher: PDN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_step(*_: object) -> None:
        pytest.fail("a step was taken")

    monkeypatch.setattr("takt_models.fit.efficientad.fit.step_losses", no_step)
    with pytest.raises(KeyboardInterrupt):
        fit(teacher, tmp_path / "m.safetensors", load_other=Interruption(left=len(OTHER) - 1))


def test_a_damaged_state_is_told_with_the_way_out(teacher: PDN, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors.resume").write_bytes(b"half a state")
    with pytest.raises(ResumeMismatchError, match="is damaged: delete it"):
        fit(teacher, tmp_path / "m.safetensors")


def test_resuming_with_another_teacher_is_refused(interrupted: Path) -> None:
    torch.manual_seed(1)
    with pytest.raises(ResumeMismatchError, match="teacher"):
        fit(PDN("small", CHANNELS), interrupted)


def test_the_weights_are_exact_in_float16(fitted: Fitted[EfficientAd]) -> None:
    for name, weight in fitted.model.named_parameters():
        assert torch.equal(weight.half().float(), weight), name


def test_the_model_comes_in_eval_mode_with_its_statistics(fitted: Fitted[EfficientAd]) -> None:
    assert not any(module.training for module in fitted.model.modules())
    qa_st, qb_st, qa_ae, qb_ae = fitted.model.quantiles.tolist()
    assert 0 < qa_st < qb_st
    assert 0 < qa_ae < qb_ae
    assert (fitted.model.teacher_std > 0).all()
    assert all(weight.is_contiguous() for weight in fitted.model.parameters())


@torch.no_grad()
def test_a_tenth_of_the_validation_pixels_exceeds_the_quantiles(
    fitted: Fitted[EfficientAd],
) -> None:
    picture = torch.from_numpy(load(fitted.seen[-1])).permute(2, 0, 1)[None] / 255
    raw = fitted.model.differences(fitted.model.normalize(picture))
    maps, quantiles = fitted.model.quantile_maps(raw), fitted.model.quantiles
    assert (maps.st > quantiles[0]).float().mean().item() == pytest.approx(0.1, abs=1e-3)
    assert (maps.ae > quantiles[3]).float().mean().item() == pytest.approx(0.005, abs=1e-4)


def test_the_teacher_stays_as_it_was(fitted: Fitted[EfficientAd], teacher: PDN) -> None:
    rounded = PDN("small", CHANNELS)
    rounded.load_state_dict(teacher.state_dict())
    round_to_fp16(rounded)
    for name, weight in fitted.model.teacher.state_dict().items():
        assert torch.equal(weight, rounded.state_dict()[name]), name


def test_the_pictures_for_calibration_are_never_looked_at(
    fitted: Fitted[EfficientAd], read: set[Path]
) -> None:
    assert read == set(fitted.seen)
    assert len(fitted.seen) == 3
    assert sorted(fitted.seen + fitted.calibration) == sorted(GOOD)


def test_the_curve_has_every_loss_at_every_save(fitted: Fitted[EfficientAd]) -> None:
    assert [point.step for point in fitted.curve] == [1, 2, 3]
    for point in fitted.curve:
        assert tuple(point.figures) == (*LOSSES, "held_out")
        assert all(value > 0 for value in point.figures.values())


def test_the_autoencoder_learns_from_the_first_step(fitted: Fitted[EfficientAd]) -> None:
    first, *_, last = (point.figures["ae"] for point in fitted.curve)
    assert last < first


def test_the_hard_quantile_rises_then_stays() -> None:
    options = EfficientAdOptions()
    assert hard_quantile(0, 1000, options) == pytest.approx(0.9)
    assert hard_quantile(350, 1000, options) == pytest.approx((0.9 + 0.999) / 2)
    assert hard_quantile(700, 1000, options) == pytest.approx(0.999)
    assert hard_quantile(999, 1000, options) == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("steps", "step", "expected"),
    [(1000, 0, 1e-3), (1000, 400, 1e-3), (1000, 700, 5.05e-4), (1000, 1000, 1e-5), (1, 0, 1e-3)],
)
def test_the_learning_rate_is_constant_then_falls_to_a_hundredth(
    steps: int, step: int, expected: float
) -> None:
    assert learning_rate(step, steps, EfficientAdOptions()) == pytest.approx(expected)


def test_a_plateau_on_held_out_pictures_ends_the_fit_sooner(
    teacher: PDN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_models.fit.efficientad.fit._held_out", lambda *_: 1.0)
    monkeypatch.setattr("takt_models.fit.efficientad.fit.LOOK_EVERY", 1)
    monkeypatch.setattr("takt_models.fit.optim.schedule.PATIENCE", 1)
    short = fit(teacher, tmp_path / "m.safetensors", replace(OPTIONS, steps=None))
    # Two looks after one step each: those are 40 % of the steps then.
    assert short.steps == 5
    assert [point.step for point in short.curve] == [1, 2, 3, 4, 5]


def test_a_fit_for_a_time_goes_on_to_the_steps_that_it_had_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_models.fit.optim.schedule.WARM_UP_STEPS", 1)
    monkeypatch.setattr("takt_models.fit.optim.schedule.PACE_STEPS", 2)
    torch.manual_seed(0)
    thin = PDN("small", 8)
    timed = replace(OPTIONS, steps=None, minutes=1e-6)
    whole = fit(thin, tmp_path / "whole.safetensors", timed)
    assert whole.steps == 3
    output = tmp_path / "parts.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(thin, output, timed, load_other=Interruption(left=len(OTHER) + 2))
    monkeypatch.setattr("takt_models.fit.optim.schedule.MARGIN", 1e6)
    resumed = fit(thin, output, timed)
    assert resumed.steps == 3
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name


def test_the_best_state_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("takt_models.fit.looks.LOOK_EVERY", 1)
    told: list[float] = []

    def share(good: Sequence[torch.Tensor], spoiled: Sequence[torch.Tensor], _: object) -> float:
        assert len(spoiled) == 2 * len(good)
        told.append((0.9, 0.5)[len(told)])
        return told[-1]

    monkeypatch.setattr("takt_models.fit.efficientad.fit.share_told_apart", share)
    torch.manual_seed(0)
    thin = PDN("small", 8)
    fitted = fit(
        thin,
        tmp_path / "m.safetensors",
        replace(OPTIONS, steps=2),
        spoil=lambda path: [255 - load(path)] * 2,
    )
    assert (fitted.kept_step, fitted.auroc) == (1, 0.9)
    assert [point.figures[LOOK] for point in fitted.curve] == [0.9, 0.5]


def test_a_teacher_of_few_channels_gives_a_small_model(
    whole_networks: None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    one_step = replace(OPTIONS, steps=1)
    model = fit(PDN("small", 16), tmp_path / "m.safetensors", one_step).model
    assert model.config.teacher_channels == 16
    assert model.student.conv4.out_channels == 32
    assert model.autoencoder.decoder.deconv8.out_channels == 16


def test_a_fit_leaves_plain_convolutions(fitted: Fitted[EfficientAd]) -> None:
    assert {type(m) for m in fitted.model.student.children()} == {nn.Conv2d, nn.AvgPool2d}


def test_each_step_takes_its_learning_rate(
    teacher: PDN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = "takt_models.fit.efficientad.fit.learning_rate"
    monkeypatch.setattr(rate, lambda step, steps, options: 0.0)
    one, two = (
        fit(teacher, tmp_path / f"{steps}.safetensors", replace(OPTIONS, steps=steps))
        for steps in (1, 2)
    )
    for before, after in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("count", "change", "part"),
    [
        (0, {}, "fitted"),
        (2, {}, "fitted"),
        (5, {"calibration": 0.8, "validation": 0.5}, "fitted"),
    ],
)
def test_too_few_pictures_for_a_part_are_refused(
    teacher: PDN, tmp_path: Path, count: int, change: dict[str, float], part: str
) -> None:
    options = replace(OPTIONS, **change)  # type: ignore[arg-type]
    with pytest.raises(
        FitError, match=f"{count} good pictures .* leave none for the part `{part}`"
    ):
        fit(teacher, tmp_path / "x", options, good=GOOD[:count])


def test_a_teacher_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="the teacher is medium"):
        fit(PDN("medium", CHANNELS), tmp_path / "x")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"minutes": 0},
        {"save_every": 0},
        {"penalty_size": 0},
        {"penalty_size": 513},
        {"validation": 0.0},
        {"calibration": 0.0},
    ],
)
def test_options_that_make_no_sense_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(FitError, match=next(iter(change))):
        replace(OPTIONS, **change)  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_ends_the_fit(teacher: PDN, tmp_path: Path) -> None:
    options = replace(OPTIONS, steps=2, save_every=2, learning_rate=1e30)
    with pytest.raises(FitError, match="not finite before step 2: lower the learning rate"):
        fit(teacher, tmp_path / "x", options)
    assert list(tmp_path.iterdir()) == []
