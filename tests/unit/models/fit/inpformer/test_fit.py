from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt_models.checkpoints.facts import InputRecipe
from takt_models.fit.device import Compute
from takt_models.fit.errors import FitError
from takt_models.fit.inpformer.encoders import Pretrained
from takt_models.fit.inpformer.fit import batch_at, fit_inpformer, learning_rate, split_good
from takt_models.fit.inpformer.options import InpFormerOptions
from takt_models.fit.looks import LOOK, Spoil
from takt_models.fit.pictures import Load
from takt_models.fit.progress import Fitted
from takt_models.fit.resume import ResumeMismatchError
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer
from tests.inpformer import LIGHT, THIN

pytestmark = pytest.mark.torch

SIDE = THIN.width
OPTIONS = InpFormerOptions(steps=6, batch_size=2, tokens=3, save_every=2)
GOOD = tuple(Path(f"good/{number}.png") for number in range(6))
MANY = (tuple(Path(f"good/{number}.png") for number in range(14)),)


def a_pretrained(seed: int = 0, config: InpFormerConfig = THIN) -> Pretrained:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = InpFormer(config).encoder.state_dict()
    kept = {name: weight for name, weight in weights.items() if name not in ("mean", "std")}
    side = config.width
    return Pretrained("random", config, InputRecipe(side, side, "area"), kept)


def load(path: Path, side: int = SIDE) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (side, side, 3), dtype=np.uint8)


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
    options: InpFormerOptions = OPTIONS,
    *,
    good: Sequence[Sequence[Path]] = (GOOD,),
    load: Load = load,
    encoder: Pretrained | None = None,
    spoil: Spoil | None = None,
    digests: Mapping[Path, str] | None = None,
) -> Fitted[InpFormer]:
    return fit_inpformer(
        good,
        load,
        encoder or a_pretrained(),
        output,
        options,
        Compute.choose("cpu", bf16=False),
        digests=digests,
        spoil=spoil,
        quiet=True,
    )


def assert_same_weights(one: InpFormer, other: InpFormer) -> None:
    expected = other.state_dict()
    for name, value in one.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted[InpFormer]:
    return fit(tmp_path_factory.mktemp("whole") / "m.safetensors")


def interrupt(
    monkeypatch: pytest.MonkeyPatch, output: Path, at: int, encoder: Pretrained | None = None,
    load: Load = load, options: InpFormerOptions = OPTIONS, spoil: Spoil | None = None,
    good: Sequence[Sequence[Path]] = (GOOD,), digests: Mapping[Path, str] | None = None,
) -> None:  # fmt: skip
    """Stop a fit in a step, after the last state that it kept."""

    def until(step: int, count: int, options: InpFormerOptions) -> list[int]:
        if step == at:
            raise KeyboardInterrupt
        return batch_at(step, count, options)

    with monkeypatch.context() as patch:
        patch.setattr("takt_models.fit.inpformer.fit.batch_at", until)
        with pytest.raises(KeyboardInterrupt):
            fit(
                output, options, good=good, encoder=encoder, load=load, spoil=spoil, digests=digests
            )


def test_a_resumed_fit_ends_as_an_uninterrupted_one(
    fitted: Fitted[InpFormer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupt(monkeypatch, tmp_path / "m.safetensors", at=3)
    resumed = fit(tmp_path / "m.safetensors")
    assert_same_weights(resumed.model, fitted.model)
    assert resumed.curve == fitted.curve
    assert (resumed.seen, resumed.calibration) == (fitted.seen, fitted.calibration)


def test_so_it_is_with_the_light_encoder_and_its_statistics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def load_larger(path: Path) -> NDArray[np.uint8]:
        return load(path, 64)

    encoder = a_pretrained(config=LIGHT)
    whole = fit(tmp_path / "whole.safetensors", encoder=encoder, load=load_larger)
    output = tmp_path / "m.safetensors"
    interrupt(monkeypatch, output, at=5, encoder=encoder, load=load_larger)
    resumed = fit(output, encoder=encoder, load=load_larger)
    assert_same_weights(resumed.model, whole.model)


def spoiled(path: Path) -> list[NDArray[np.uint8]]:
    return [255 - load(path)]


def test_the_best_state_is_kept_also_over_an_interruption(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("takt_models.fit.looks.LOOK_EVERY", 2)
    told = iter([0.9, 0.5, 0.6])
    monkeypatch.setattr("takt_models.fit.inpformer.fit.share_told_apart", lambda *_: next(told))
    output = tmp_path / "m.safetensors"
    interrupt(monkeypatch, output, at=5, good=MANY, spoil=spoiled)
    resumed = fit(output, good=MANY, spoil=spoiled)
    assert (resumed.kept_step, resumed.auroc) == (2, 0.9)
    looked = {point.step: point.figures[LOOK] for point in resumed.curve}
    assert looked == {2: 0.9, 4: 0.5, 6: 0.6}
    last = fit(tmp_path / "last.safetensors", good=MANY)
    assert last.kept_step is None
    assert not torch.equal(last.model.extractor.tokens, resumed.model.extractor.tokens)


def test_pictures_to_look_at_are_seen_but_not_fitted(tmp_path: Path) -> None:
    split = split_good(MANY, OPTIONS, looks=True)
    assert len(split.validation) == 1
    assert not set(split.validation) & {*split.fitted, *split.calibration}
    assert split.calibration == split_good(MANY, OPTIONS).calibration
    fitted = fit(tmp_path / "m.safetensors", good=MANY, spoil=spoiled)
    assert fitted.seen == split.seen
    assert fitted.auroc is not None
    assert 0 <= fitted.auroc <= 1


def test_of_a_few_pictures_all_are_fitted() -> None:
    assert split_good((GOOD,), OPTIONS, looks=True) == split_good((GOOD,), OPTIONS)


def test_with_shots_others_are_looked_at() -> None:
    split = split_good(MANY, replace(OPTIONS, shots=2), looks=True)
    assert [len(part) for part in (split.fitted, split.validation, split.calibration)] == [2, 1, 11]


def test_resuming_with_other_pictures_of_the_same_names_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    output = tmp_path / "m.safetensors"
    interrupt(monkeypatch, output, at=5, digests={path: path.stem for path in GOOD})
    with pytest.raises(ResumeMismatchError, match=r"other options \(good\)"):
        fit(output, digests={path: f"another {path.stem}" for path in GOOD})


@pytest.mark.slow
def test_a_killed_fit_goes_on_as_if_nothing_had_been(
    fitted: Fitted[InpFormer], tmp_path: Path
) -> None:
    output = tmp_path / "m.safetensors"
    code = f"""
        import importlib.util, os, signal, sys
        from pathlib import Path
        import takt_models.fit.inpformer.fit as fit_module
        spec = importlib.util.spec_from_file_location("here", {str(Path(__file__))!r})
        here = importlib.util.module_from_spec(spec)
        sys.modules["here"] = here
        spec.loader.exec_module(here)
        honest = fit_module.batch_at
        def killing(step, count, options):
            if step == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return honest(step, count, options)
        fit_module.batch_at = killing
        here.fit(Path({str(output)!r}))
    """
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[5])}
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert output.with_name("m.safetensors.resume").exists()
    assert_same_weights(fit(output).model, fitted.model)


def test_a_fit_for_a_time_goes_on_to_the_steps_that_it_had_planned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("takt_models.fit.optim.schedule.WARM_UP_STEPS", 1)
    monkeypatch.setattr("takt_models.fit.optim.schedule.PACE_STEPS", 2)
    timed = replace(OPTIONS, steps=None, minutes=1e-6)
    whole = fit(tmp_path / "whole.safetensors", timed)
    assert whole.steps == 3
    output = tmp_path / "m.safetensors"
    interrupt(monkeypatch, output, at=2, options=timed)
    monkeypatch.setattr("takt_models.fit.optim.schedule.MARGIN", 1e6)
    resumed = fit(output, timed)
    assert resumed.steps == 3
    assert_same_weights(resumed.model, whole.model)


def test_pictures_are_encoded_before_the_pace_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[Path] = []
    counts: list[int] = []

    def noted(path: Path) -> NDArray[np.uint8]:
        read.append(path)
        return load(path)

    def counting(step: int, count: int, options: InpFormerOptions) -> list[int]:
        counts.append(len(read))
        return batch_at(step, count, options)

    monkeypatch.setattr("takt_models.fit.inpformer.fit.batch_at", counting)
    fitted = fit(tmp_path / "m.safetensors", load=noted)
    assert set(read) == set(fitted.seen)
    assert set(counts) == {len(read)}


def test_another_seed_gives_another_model(fitted: Fitted[InpFormer], tmp_path: Path) -> None:
    other = fit(tmp_path / "m.safetensors", replace(OPTIONS, seed=1))
    assert not torch.equal(other.model.extractor.tokens, fitted.model.extractor.tokens)


@pytest.mark.parametrize("change", [{"seed": 1}, {"steps": 8}, {"tokens": 0}, {"shots": 2}])
def test_resuming_with_other_options_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, int]
) -> None:
    interrupt(monkeypatch, tmp_path / "m.safetensors", at=3)
    with pytest.raises(ResumeMismatchError, match=next(iter(change))):
        fit(tmp_path / "m.safetensors", replace(OPTIONS, **change))  # type: ignore[arg-type]


def test_resuming_on_another_encoder_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupt(monkeypatch, tmp_path / "m.safetensors", at=3)
    with pytest.raises(ResumeMismatchError, match="encoder"):
        fit(tmp_path / "m.safetensors", encoder=a_pretrained(seed=1))


def test_the_encoder_is_left_as_it_was(fitted: Fitted[InpFormer]) -> None:
    for name, weight in a_pretrained().weights.items():
        assert torch.equal(fitted.model.encoder.state_dict()[name], weight), name


def test_what_was_trained_is_exact_in_float16_and_has_moved(fitted: Fitted[InpFormer]) -> None:
    for part in (fitted.model.extractor, fitted.model.bottleneck, fitted.model.decoder):
        for name, weight in part.named_parameters():
            assert torch.equal(weight.half().float(), weight), name
    assert fitted.model.bottleneck.fc1.bias.abs().max() > 0
    assert not fitted.model.training


def test_a_fit_learns_to_rebuild_its_pictures(tmp_path: Path) -> None:
    options = replace(OPTIONS, steps=60, save_every=20, tokens=0)
    curve = fit(tmp_path / "m.safetensors", options).curve
    assert curve[-1].figures["reconstruction"] < 0.7 * curve[0].figures["reconstruction"]


def test_no_step_looks_at_a_calibration_picture(tmp_path: Path) -> None:
    read: set[Path] = set()

    def noted(path: Path) -> NDArray[np.uint8]:
        read.add(path)
        return load(path)

    fitted = fit(tmp_path / "m.safetensors", load=noted)
    assert read == set(fitted.seen)
    assert set(fitted.seen) | set(fitted.calibration) == set(GOOD)
    assert len(fitted.calibration) == 2


def test_each_kind_of_part_is_split_by_itself() -> None:
    few, many = GOOD[:2], tuple(Path(f"other/{number}.png") for number in range(8))
    split = split_good((few, many), OPTIONS)
    assert [len(set(split.calibration) & set(kind)) for kind in (few, many)] == [1, 2]
    assert [len(set(split.fitted) & set(kind)) for kind in (few, many)] == [1, 6]


def test_shots_are_fitted_in_all_their_views_and_the_rest_is_held_back(tmp_path: Path) -> None:
    fitted = fit(tmp_path / "m.safetensors", replace(OPTIONS, shots=2))
    assert len(fitted.seen) == 2
    assert len(fitted.calibration) == 4


@pytest.mark.parametrize(
    ("good", "change"), [((GOOD[:1],), {}), ((GOOD, GOOD[:2]), {"shots": 2}), (((),), {})]
)
def test_too_few_pictures_are_refused(
    tmp_path: Path, good: Sequence[Sequence[Path]], change: dict[str, int]
) -> None:
    with pytest.raises(FitError, match=r"good pictures of \d parts leave none"):
        fit(tmp_path / "m.safetensors", replace(OPTIONS, **change), good=good)  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_stops_the_fit_before_it_is_kept(tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"not finite.*lower the learning rate"):
        fit(tmp_path / "m.safetensors", replace(OPTIONS, learning_rate=1e38, steps=40))


def test_an_epoch_has_each_view_once() -> None:
    options = replace(OPTIONS, batch_size=3)
    seen = [index for step in range(4) for index in batch_at(step, 6, options)]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert seen[:6] != seen[6:]


def test_the_learning_rate_warms_up_and_falls_to_a_tenth() -> None:
    options = InpFormerOptions()
    assert learning_rate(0, 10_000, options) == 0
    assert learning_rate(50, 10_000, options) == pytest.approx(0.5e-3)
    assert learning_rate(100, 10_000, options) == pytest.approx(1e-3)
    assert learning_rate(5050, 10_000, options) == pytest.approx(0.55e-3)
    assert learning_rate(9999, 10_000, options) == pytest.approx(1e-4, rel=1e-3)


def test_a_short_fit_warms_up_in_a_tenth_of_its_steps() -> None:
    assert learning_rate(5, 50, InpFormerOptions()) == pytest.approx(1e-3)
    assert learning_rate(0, 1, InpFormerOptions()) == pytest.approx(1e-3)
