from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError, UnsafeCheckpointError
from takt_models.checkpoints.files.pickles import MAX_PICKLE_BYTES, StandIn, read_pickle, value_of
from takt_models.checkpoints.formats import load_checkpoint

Wrap = Callable[[object], object]
Refused = Callable[[Path], None]


class Attack:
    """Runs a function when it is unpickled by Python's own unpickler."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it_ran"


@pytest.fixture
def attack(marker: Path) -> Attack:
    return Attack(os.system, f"touch {marker}")


@pytest.fixture
def refused(marker: Path) -> Refused:
    """Checks that nobody runs a file, but says why."""

    def check(path: Path) -> None:
        for read in (read_pickle, load_checkpoint):
            with pytest.raises(UnsafeCheckpointError, match=r"holds (posix|nt)\.system, which"):
                read(path)
        described = describe(path)
        assert not described.loadable
        assert "Takt never runs a checkpoint's code: if you trust" in (described.problem or "")
        assert not marker.exists()

    return check


def test_the_attack_would_work_on_a_careless_reader(attack: Attack, marker: Path) -> None:
    pickle.loads(pickle.dumps(attack))
    assert marker.exists()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda attack: attack,
        lambda attack: {"weight": attack},
        lambda attack: {"state_dict": {"model.teacher.x": torch.zeros(1)}, "loops": [attack]},
        lambda attack: nn.Sequential(Holder(attack)),
        lambda attack: {torch.zeros(1): (1, {2: attack})},
    ],
)
def test_a_hostile_file_is_refused_and_never_run(
    tmp_path: Path, attack: Attack, refused: Refused, wrap: Wrap
) -> None:
    torch.save(wrap(attack), tmp_path / "hostile.pth")
    refused(tmp_path / "hostile.pth")


class Holder(nn.ReLU):
    """Hides something among the attributes of a layer."""

    def __init__(self, held: object) -> None:
        super().__init__()
        self.held = held

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (nn.ReLU, (), {**self.__dict__})


def test_an_attack_among_the_hyper_parameters_of_a_good_checkpoint_is_refused(
    tmp_path: Path,
    attack: Attack,
    refused: Refused,
    anomalib_2_7: Callable[..., dict[str, Any]],
) -> None:
    content = anomalib_2_7()
    torch.save(content, tmp_path / "good.ckpt")
    assert load_checkpoint(tmp_path / "good.ckpt").framework == "anomalib"
    content["hyper_parameters"]["imagenet_dir"] = attack
    torch.save(content, tmp_path / "hostile.ckpt")
    refused(tmp_path / "hostile.ckpt")


@pytest.mark.parametrize(
    "function", [eval, exec, __import__, open, os.execv, os.putenv, io.open_code]
)
def test_dangerous_functions_are_named(tmp_path: Path, function: Callable[..., object]) -> None:
    torch.save({"x": Attack(function, "x")}, tmp_path / "hostile.pth")
    with pytest.raises(UnsafeCheckpointError, match=function.__name__):
        read_pickle(tmp_path / "hostile.pth")


def test_a_known_name_with_odd_arguments_stays_inert(tmp_path: Path) -> None:
    odd = {
        "path": Attack(type(tmp_path), 7, {"a": [None]}, b"x"),
        "sequence": Attack(nn.Sequential, "no layer", 3),
        "attribute": Attack(getattr, "text", "join"),
        "array": Attack(np.ndarray, "no shape"),
        "module": Attack(nn.Conv2d),
    }
    torch.save(odd, tmp_path / "odd.pth")
    content = read_pickle(tmp_path / "odd.pth")
    assert isinstance(content, dict)
    assert all(isinstance(value, StandIn) for value in content.values())
    assert content["path"].arguments == (7, {"a": [None]}, b"x")
    assert content["attribute"].arguments == ("text", "join")
    assert content["module"].arguments == ()
    with pytest.raises(CheckpointError, match="holds no model that Takt knows"):
        load_checkpoint(tmp_path / "odd.pth")


def test_a_known_class_is_told_by_name_and_state_but_never_made(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 4, 2)), tmp_path / "network.pth")
    network = read_pickle(tmp_path / "network.pth")
    assert isinstance(network, StandIn)
    assert not isinstance(network, nn.Module)
    assert network.name == "torch.nn.modules.container.Sequential"
    convolution = network.get("_modules")["0"]
    assert convolution.kind == "Conv2d"
    assert convolution.get("kernel_size") == (2, 2)
    assert convolution.get("no such") is None
    assert convolution.get("_parameters")["weight"].shape == (4, 3, 2, 2)


def test_the_real_classes_are_forgotten_after_reading(tmp_path: Path) -> None:
    torch.save(nn.Sequential(), tmp_path / "network.pth")
    before = set(torch.serialization.get_safe_globals())
    read_pickle(tmp_path / "network.pth")
    assert set(torch.serialization.get_safe_globals()) == before


def test_numpy_schedules_and_paths_do_no_harm(tmp_path: Path) -> None:
    state = {"schedule": np.linspace(0, 1, 3), "last": np.float64(2), "where": tmp_path}
    torch.save(state, tmp_path / "schedule.pth")
    content = read_pickle(tmp_path / "schedule.pth")
    assert isinstance(content, dict)
    assert all(isinstance(value, StandIn) for value in content.values())


def test_plain_tensors_come_as_they_are(tmp_path: Path) -> None:
    state = OrderedDict(a=torch.arange(6.0).view(2, 3), b=torch.ones(2, dtype=torch.float16))
    torch.save(state, tmp_path / "state.pth")
    content = read_pickle(tmp_path / "state.pth")
    assert isinstance(content, dict)
    assert list(content) == ["a", "b"]
    assert all(torch.equal(content[name], state[name]) for name in state)


def test_a_member_of_an_enumeration_has_its_value_or_its_name() -> None:
    by_value, by_name = StandIn("bilinear"), StandIn(StandIn, "BILINEAR")
    assert value_of(by_value) == "bilinear"
    assert value_of(by_name) == "BILINEAR"
    assert value_of("bilinear") == "bilinear"


def archive(path: Path, method: int = zipfile.ZIP_STORED, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in entries.items():
            file.writestr(f"model/{name.replace('_', '.')}", data)
    return path


def test_a_torchscript_program_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.pt", constants_pkl=b"x", data_pkl=b"x")
    with pytest.raises(CheckpointError, match=r"is a TorchScript program.*give the checkpoint"):
        load_checkpoint(path)


def test_a_real_torchscript_program_is_named(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        load_checkpoint(tmp_path / "model.pt")


def test_a_zip_of_something_else_is_named_by_what_it_holds(tmp_path: Path) -> None:
    path = archive(tmp_path / "weights.zip", model_ckpt=b"x", readme_md=b"x")
    with pytest.raises(CheckpointError, match=r"torch.save did not write \(it holds model.ckpt, r"):
        load_checkpoint(path)


def test_compressed_data_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.pth", zipfile.ZIP_DEFLATED, data_pkl=bytes(10**8))
    assert bomb.stat().st_size < 10**6
    with pytest.raises(CheckpointError, match=r"compressed data, which torch\.save never writes"):
        load_checkpoint(bomb)


def test_a_huge_pickle_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_models.checkpoints.files.pickles.MAX_PICKLE_BYTES", 99)
    assert MAX_PICKLE_BYTES == 64 * 2**20
    torch.save({"x": "y" * 100}, tmp_path / "huge.pth")
    with pytest.raises(CheckpointError, match="holds a pickle of 0 MB beside its tensors"):
        load_checkpoint(tmp_path / "huge.pth")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float) -> None:
    torch.save({"x": torch.zeros(1000)}, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="is truncated or damaged: copy it again"):
        load_checkpoint(tmp_path / "cut.pth")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02ctorch\nnothing\n.",
        b"\x80\x02h\x05.",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
        b"\x80\x02(lp0\ncbuiltins\neval\n(S'1'\ntR.",
        b"not a pickle at all",
    ],
)
def test_a_pickle_that_makes_no_sense_is_refused(tmp_path: Path, data: bytes) -> None:
    path = archive(tmp_path / "odd.pth", data_pkl=data, version=b"3\n")
    assert isinstance(describe(path).problem, str)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_a_damaged_file_never_brings_more_than_a_refusal(
    tmp_path: Path, anomalib_2_0: Callable[..., dict[str, Any]], foreign: Any
) -> None:
    content = anomalib_2_0()
    content["state_dict"] = dict(list(content["state_dict"].items())[:4])
    whole = foreign.save(content, tmp_path / "whole.ckpt").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(damaged), 12):
            damaged[position] = rng.integers(0, 256)
        (tmp_path / "damaged.ckpt").write_bytes(damaged)
        assert not describe(tmp_path / "damaged.ckpt").loadable


def test_names_out_of_a_file_cannot_drive_the_terminal(tmp_path: Path) -> None:
    torch.save({"\x1b[2Jweight": torch.zeros(1)}, tmp_path / "state.pth")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "state.pth")
    assert "\x1b" not in str(caught.value)
