from __future__ import annotations

from pathlib import Path

import pytest

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.files.containers import container_of
from takt_models.checkpoints.formats import load_checkpoint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.ckpt", b"", "is empty: copy it again"),
        ("m.ckpt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("m.ckpt", b"\n<!DOCTYPE html><html>", "is a web page.*download it again"),
        ("m.onnx", b"\x08\x09", "is an ONNX graph, which `takt import onnx` takes"),
        ("m.bin", b"\x08\x08\x12\x07pytorch", "is an ONNX graph"),
        ("m.xml", b'<?xml version="1.0"?><net>', "OpenVINO model: give the checkpoint"),
        ("m.pth", b"\x80\x02}q\x00.", "is a bare pickle.*save it again"),
        ("m.tar.gz", b"\x1f\x8b\x08\x00", "is a gzip archive: unpack it"),
        ("m.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "is no checkpoint that Takt knows: give"),
        ("m.ckpt", b"PK", "is no checkpoint that Takt knows"),
        ("m.ckpt", b"hello " * 99, "is no checkpoint that Takt knows"),
        ("m.zip", b"PK\x05\x06" + bytes(18), "torch.save did not write .it holds none"),
    ],
)
def test_another_kind_of_file_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} .*{message}"):
        load_checkpoint(tmp_path / name)
    assert not describe(tmp_path / name).loadable


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt does not exist: give a checkpoint"):
        load_checkpoint(tmp_path / "nowhere.ckpt")


def test_a_folder_points_at_the_checkpoints_in_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder without a checkpoint"):
        load_checkpoint(tmp_path)
    (tmp_path / "model.ckpt").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CheckpointError, match=r"give the checkpoint in it \(model.ckpt\)"):
        load_checkpoint(tmp_path)


def test_what_is_no_ordinary_file_is_refused() -> None:
    with pytest.raises(CheckpointError, match="is no ordinary file"):
        load_checkpoint(Path("/dev/null"))


@pytest.mark.parametrize("first_byte", [0x80, 0x50, 0x08])
def test_a_safetensors_file_is_known_whatever_its_header_s_length(
    tmp_path: Path, first_byte: int
) -> None:
    header = b"{" + b" " * (0x200 + first_byte - 2) + b"}"
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert path.read_bytes()[0] == first_byte
    assert container_of(path) == "safetensors"
