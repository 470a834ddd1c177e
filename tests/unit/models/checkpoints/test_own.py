from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from takt_models.checkpoints import own
from takt_models.checkpoints.errors import CheckpointError, UnsetStatisticsError
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.own import (
    FitFacts,
    load_teacher,
    save_checkpoint,
    save_teacher,
)
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.config import TEACHER_CHANNELS, EfficientAdConfig, Size
from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.fit.device import round_to_fp16

FACTS = FitFacts(
    config=EfficientAdConfig(width=288, height=288, pad_maps=False),
    seen=("0123456789abcdef", "fedcba9876543210"),
    steps=2000,
    seed=7,
    made_with={"torch": "2.9.0", "takt": "0.1.0"},
)

Change = Callable[[dict[str, Tensor]], None]
Rewrite = Callable[..., Path]


@pytest.fixture(scope="module")
def model() -> EfficientAd:
    """A model as a fit leaves it: rounded weights, statistics that no float16 holds."""
    torch.manual_seed(0)
    model = EfficientAd(FACTS.config)
    round_to_fp16(model)
    model.teacher_mean.normal_()
    model.teacher_std.uniform_(0.5, 2)
    model.quantiles.copy_(torch.tensor([0.1, 0.7, 0.3, 1 / 3]))
    return model.train()


@pytest.fixture(scope="module")
def path(model: EfficientAd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "deep" / "parts.safetensors"
    save_checkpoint(path, model, FACTS)
    return path


@pytest.fixture
def rewrite(path: Path, tmp_path: Path) -> Rewrite:
    """Writes the checkpoint with other tensors or other metadata."""

    def write(change: Change | None = None, metadata: dict[str, str] | None = None) -> Path:
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            kept = file.metadata()
        if change is not None:
            change(tensors)
        changed = tmp_path / "changed.safetensors"
        save_file(tensors, changed, metadata=kept if metadata is None else metadata)
        return changed

    return write


def test_a_saved_model_comes_back_bit_for_bit(path: Path, model: EfficientAd) -> None:
    loaded = load_checkpoint(path)
    assert loaded.seen == FACTS.seen
    assert loaded.made_with == FACTS.made_with
    assert loaded.framework == "takt"
    assert loaded.recipe == InputRecipe(288, 288, "area")
    assert not loaded.missing
    assert isinstance(loaded.model, EfficientAd)
    assert loaded.model.config == FACTS.config
    assert not any(module.training for module in loaded.model.modules())
    expected, weights = model.state_dict(), loaded.model.state_dict()
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, expected[name]), name


def test_only_what_float16_holds_exactly_is_stored_so(path: Path) -> None:
    halves = {name for name, tensor in load_file(path).items() if tensor.dtype == torch.float16}
    whole = load_file(path).keys() - halves
    assert whole == {"teacher_mean", "teacher_std", "quantiles"}


@pytest.mark.parametrize("value", [0.1, 1e-9, 1e6])
def test_a_weight_that_float16_would_change_keeps_its_tensor_in_float32(
    tmp_path: Path, model: EfficientAd, value: float
) -> None:
    network = PDN("small", 4)
    round_to_fp16(network)
    with torch.no_grad():
        network.conv2.weight[3, 0, 0, 0] = value
    save_teacher(tmp_path / "t.safetensors", network, {})
    stored = load_file(tmp_path / "t.safetensors")
    assert {n for n, t in stored.items() if t.dtype == torch.float32} == {"conv2.weight"}
    loaded = load_teacher(tmp_path / "t.safetensors")
    assert torch.equal(loaded.conv2.weight, network.conv2.weight)


def test_the_layout_in_memory_does_not_matter(tmp_path: Path, path: Path) -> None:
    model = load_checkpoint(path).model
    model.to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "again.safetensors", model, FACTS)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_the_metadata_is_one_json_text(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert list(metadata) == ["takt"]
    about = json.loads(metadata["takt"])
    assert about["format"] == 1
    assert about["facts"]["preprocess"] == "area"
    assert about["facts"]["framework"] == "takt"
    assert about["facts"]["config"]["width"] == 288


def test_saving_leaves_one_file(path: Path) -> None:
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_failed_save_keeps_the_former_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.safetensors"
    save_teacher(path, PDN("small", 4), {})
    former = path.read_bytes()

    def full_disk(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_teacher(path, PDN("small", 4), {})
    assert path.read_bytes() == former
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_others_may_read_the_file_as_the_umask_says(path: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors does not exist"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("content", [b"", b"PK", b"\x89PNG\r\n\x1a\n" + bytes(64), b"hello " * 99])
def test_another_kind_of_file_is_no_teacher(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError, match="is no safetensors file: give a checkpoint"):
        load_teacher(tmp_path / "file")


@pytest.mark.parametrize("share", [0.0001, 0.5, 0.999999])
def test_a_truncated_file_is_refused(tmp_path: Path, path: Path, share: float) -> None:
    whole = path.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: max(16, int(share * len(whole)))])
    with pytest.raises(CheckpointError, match="is truncated or damaged: copy it again"):
        load_checkpoint(tmp_path / "cut")


def test_safetensors_of_someone_else_are_refused(rewrite: Rewrite) -> None:
    with pytest.raises(CheckpointError, match="was not written by Takt"):
        load_checkpoint(rewrite(metadata={"format": "pt"}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"format": 1}'])
def test_metadata_that_say_nothing_are_refused(rewrite: Rewrite, text: str) -> None:
    with pytest.raises(CheckpointError, match="unreadable metadata"):
        load_checkpoint(rewrite(metadata={"takt": text}))


def test_another_format_version_is_refused(rewrite: Rewrite) -> None:
    about = json.dumps({"format": 2, "kind": "efficientad", "facts": {}})
    with pytest.raises(CheckpointError, match="format 2, this Takt reads 1: use the version"):
        load_checkpoint(rewrite(metadata={"takt": about}))


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        {"config": {"image_size": 100}, "seen": [], "steps": 1, "seed": 0},
        {"config": {"depth": 3}, "seen": [], "steps": 1, "seed": 0},
        {"config": {}, "seen": [], "steps": 1, "seed": 0, "mood": "good"},
    ],
)
def test_facts_that_make_no_sense_are_refused(rewrite: Rewrite, facts: Any) -> None:
    about = json.dumps({"format": 1, "kind": "efficientad", "facts": facts})
    with pytest.raises(CheckpointError, match="makes no sense"):
        load_checkpoint(rewrite(metadata={"takt": about}))


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors["student.conv1.bias"]


def add(tensors: dict[str, Tensor]) -> None:
    tensors["student.conv9.bias"] = torch.zeros(1)


def reshape(tensors: dict[str, Tensor]) -> None:
    tensors["student.conv1.bias"] = torch.zeros(129)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "missing: student.conv1.bias; unexpected: none"),
        (add, "missing: none; unexpected: student.conv9.bias"),
        (reshape, r"student.conv1.bias has the shape \[129\] instead of \[128\]"),
    ],
)
def test_tensors_that_do_not_fit_are_named(rewrite: Rewrite, change: Change, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(rewrite(change))


def test_weights_of_another_size_than_the_facts_say_are_refused(
    tmp_path: Path, model: EfficientAd
) -> None:
    facts = replace(FACTS, config=EfficientAdConfig(size="medium"))
    save_checkpoint(tmp_path / "wrong.safetensors", model, facts)
    with pytest.raises(CheckpointError, match=r"missing: .*conv5.* and \d+ more"):
        load_checkpoint(tmp_path / "wrong.safetensors")


def zero_std(tensors: dict[str, Tensor]) -> None:
    tensors["teacher_std"].zero_()


def initial_statistics(tensors: dict[str, Tensor]) -> None:
    tensors["teacher_mean"].zero_()
    tensors["teacher_std"].fill_(1)


@pytest.mark.parametrize("change", [zero_std, initial_statistics])
def test_teacher_statistics_that_were_never_set_are_refused(
    rewrite: Rewrite, change: Change
) -> None:
    with pytest.raises(UnsetStatisticsError, match="has no teacher statistics"):
        load_checkpoint(rewrite(change))


@pytest.mark.parametrize(
    "quantiles",
    [[0, 0, 0, 0], [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.3], [0.2, 0.1, 0.3, 0.4]],
)
def test_quantiles_that_were_never_set_are_refused(
    rewrite: Rewrite, quantiles: list[float]
) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors["quantiles"] = torch.tensor(quantiles, dtype=torch.float32)

    with pytest.raises(UnsetStatisticsError, match="has no quantiles"):
        load_checkpoint(rewrite(change))


@pytest.mark.parametrize("name", ["teacher_std", "quantiles", "student.conv2.weight"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_numbers_that_are_not_finite_are_refused(rewrite: Rewrite, name: str, value: float) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors[name].view(-1)[-1] = value

    with pytest.raises(CheckpointError, match=f"{name} holds numbers that are not finite"):
        load_checkpoint(rewrite(change))


def test_an_unknown_filter_is_refused(tmp_path: Path, model: EfficientAd) -> None:
    path = tmp_path / "lanczos.safetensors"
    save_checkpoint(path, model, replace(FACTS, preprocess="lanczos"))
    with pytest.raises(CheckpointError, match="resized by 'lanczos', which this Takt does not"):
        load_checkpoint(path)


@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize("channels", [8, TEACHER_CHANNELS])
def test_a_teacher_comes_back_with_its_size_and_channels(
    tmp_path: Path, size: Size, channels: int
) -> None:
    network = PDN(size, channels)
    round_to_fp16(network)
    save_teacher(tmp_path / "t.safetensors", network, {"explained_variance": "0.4"})
    loaded = load_teacher(tmp_path / "t.safetensors")
    assert loaded.size == size
    assert not loaded.training
    for name, weight in loaded.state_dict().items():
        assert torch.equal(weight, network.state_dict()[name]), name


def test_what_is_known_of_a_teacher_is_stored_with_it(tmp_path: Path) -> None:
    save_teacher(tmp_path / "t.safetensors", PDN("small", 8), {"explained_variance": "0.4"})
    with safe_open(tmp_path / "t.safetensors", framework="pt") as file:
        about = json.loads(file.metadata()["takt"])
    assert about["facts"] == {"explained_variance": "0.4"}


def test_a_teacher_and_a_model_are_not_taken_for_each_other(tmp_path: Path, path: Path) -> None:
    save_teacher(tmp_path / "t.safetensors", PDN("small", 8), {})
    with pytest.raises(CheckpointError, match="of kind teacher: give one of kind efficientad"):
        load_checkpoint(tmp_path / "t.safetensors")
    with pytest.raises(CheckpointError, match="of kind efficientad: give one of kind teacher"):
        load_teacher(path)


def test_a_teacher_without_its_last_layer_is_refused(tmp_path: Path) -> None:
    about = json.dumps({"format": 1, "kind": "teacher", "facts": {}})
    save_file({"x": torch.zeros(1)}, tmp_path / "t.safetensors", metadata={"takt": about})
    with pytest.raises(CheckpointError, match="no last convolution"):
        load_teacher(tmp_path / "t.safetensors")


def test_the_shipped_teacher_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped.safetensors"
    monkeypatch.setattr(own, "SHIPPED_TEACHER", shipped)
    with pytest.raises(CheckpointError, match=r"shipped\.safetensors does not exist"):
        load_teacher()
    save_teacher(shipped, PDN("small", 8), {})
    assert load_teacher().conv4.out_channels == 8


def test_a_picture_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"part")
    (tmp_path / "b.png").write_bytes(b"part")
    assert picture_digest(tmp_path / "a.png") == hashlib.sha256(b"part").hexdigest()[:16]
    assert picture_digest(tmp_path / "a.png") == picture_digest(tmp_path / "b.png")
