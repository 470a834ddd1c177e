from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.formats import grouped, load_checkpoint
from takt_models.checkpoints.own import FitFacts, save_checkpoint, save_teacher
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import PDN, EfficientAd
from takt_models.fit.device import round_to_fp16

Write = Callable[..., Path]


@pytest.fixture
def fitted(tmp_path: Path) -> Path:
    model = EfficientAd(EfficientAdConfig())
    round_to_fp16(model)
    model.teacher_mean.fill_(1)
    model.quantiles.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    facts = FitFacts(model.config, ("0123456789abcdef",), 10, 0, {"takt": "0.1.0"})
    save_checkpoint(tmp_path / "fitted.safetensors", model, facts)
    return tmp_path / "fitted.safetensors"


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    network = PDN("small", 8)
    round_to_fp16(network)
    save_teacher(tmp_path / "teacher.safetensors", network, {})
    return tmp_path / "teacher.safetensors"


def test_a_fitted_model_is_described(fitted: Path) -> None:
    described = describe(fitted)
    assert described.loadable
    assert described.problem is None
    assert described.files == (fitted,)
    assert described.format == "Takt efficientad (safetensors)"
    assert (described.framework, described.family, described.variant) == (
        "takt",
        "efficientad",
        "small",
    )
    assert described.parameters == 8_057_856
    assert described.input == "resized to 256 x 256 (area)"
    assert described.map == "padded, resized to the input, then scaled; score: its maximum"
    assert described.statistics == "set"
    assert described.seen == 1
    assert described.made_with == {"takt": "0.1.0"}
    assert described.missing == described.assumptions == ()


def test_a_teacher_is_described_but_is_no_detector(teacher: Path) -> None:
    described = describe(teacher)
    assert not described.loadable
    assert "is a teacher, from which `takt fit efficientad --teacher` starts" in (
        described.problem or ""
    )
    assert described.variant == "small"
    assert described.parameters == sum(p.numel() for p in PDN("small", 8).parameters())
    with pytest.raises(CheckpointError, match="of kind teacher: give one of kind efficientad"):
        load_checkpoint(teacher)


def test_the_files_of_nelson1425_are_described_together(nelson1425: Write) -> None:
    folder = nelson1425()
    described = describe(folder)
    assert described.loadable
    assert {path.parent for path in described.files} == {folder}
    assert described.statistics == "to be measured"
    assert described.missing == ("teacher statistics", "map quantiles")
    assert described.seen is None
    assert described.map == "scaled, padded, then resized to the picture; score: its maximum there"


def test_what_was_assumed_is_described(anomalib_2_0: Any, foreign: Any, tmp_path: Path) -> None:
    described = describe(foreign.save(anomalib_2_0(), tmp_path / "model.ckpt"))
    assert described.loadable
    assert described.thresholds is not None
    assert len(described.assumptions) == 1
    assert described.made_with == {"anomalib": ">=2.0,<2.7", "lightning": "2.5.0"}


def test_a_bad_file_is_described_as_far_as_it_is_known(anomalib_2_7: Any, tmp_path: Path) -> None:
    content = anomalib_2_7()
    del content["state_dict"]["model.student.conv1.bias"]
    torch.save(content, tmp_path / "model.ckpt")
    described = describe(tmp_path / "model.ckpt")
    assert not described.loadable
    assert "missing: student.conv1.bias" in (described.problem or "")
    assert described.format == "anomalib .ckpt of EfficientAd"
    assert (described.framework, described.family) == ("anomalib", "efficientad")


def test_an_unreadable_file_is_described(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError("permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert describe(fitted).problem == "permission denied"


def test_only_files_of_nelson1425_in_one_folder_are_grouped(
    nelson1425: Write, fitted: Path, tmp_path: Path
) -> None:
    folder = nelson1425()
    teacher, student, autoencoder = (
        folder / f"{role}_final.pth" for role in ("teacher", "student", "autoencoder")
    )
    elsewhere = tmp_path / "elsewhere.pth"
    elsewhere.write_bytes(teacher.read_bytes())
    absent = tmp_path / "absent.ckpt"
    given = [teacher, fitted, student, absent, folder, autoencoder, fitted, elsewhere]
    assert grouped(given) == (
        (teacher, student, autoencoder),
        (fitted,),
        (absent,),
        (folder,),
        (elsewhere,),
    )
    assert grouped([teacher]) == ((teacher,),)
