from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper, parser

import takt_export.imported.onnx_file
from takt_export.errors import ExportError
from takt_export.imported.onnx_file import read_graph, stored_floats

TEXT = """
<ir_version: 8, opset_import: ["" : %s, "ai.elsewhere" : 1]>
g (float[N,3,8,8] x) => (float[N,3,8,8] y)
<float[3,1,1] w = {1, 2, 3}, float16[2] half = {1, 2}, int64[1] whole = {1}>
{ y = %s(x, w) }
"""


def model(opset: int = 17, operator: str = "Mul") -> ModelProto:
    return parser.parse_model(TEXT % (opset, operator))


def refused(path: Path) -> str:
    with pytest.raises(ExportError) as raised:
        read_graph(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_a_graph_is_read(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "m.onnx")
    assert read_graph(tmp_path / "m.onnx").graph.name == "g"


@pytest.mark.parametrize("content", [b"", b"hello, this is no model", bytes(1000)])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    assert "is no ONNX file, or is damaged" in refused(tmp_path / "m.onnx")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model().SerializeToString()[:-20])
    assert "is no ONNX file, or is damaged" in refused(tmp_path / "m.onnx")


def test_operators_of_others_are_named(tmp_path: Path) -> None:
    onnx.save(model(operator="ai.elsewhere.Secret"), tmp_path / "m.onnx")
    assert "needs ai.elsewhere.Secret" in refused(tmp_path / "m.onnx")


def test_an_opset_without_broadcasting_is_refused(tmp_path: Path) -> None:
    onnx.save(model(opset=6), tmp_path / "m.onnx")
    assert "has opset 6, and 7 is the oldest" in refused(tmp_path / "m.onnx")


@pytest.fixture
def with_weights_outside(tmp_path: Path) -> Path:
    large = model()
    weights = numpy_helper.from_array(np.arange(3000, dtype=np.float32), "large")
    large.graph.initializer.append(weights)
    onnx.save(large, tmp_path / "m.onnx", save_as_external_data=True, location="m.data")
    assert (tmp_path / "m.data").is_file()
    return tmp_path / "m.onnx"


def test_weights_in_a_file_beside_are_read(with_weights_outside: Path) -> None:
    read = {
        t.name: numpy_helper.to_array(t) for t in read_graph(with_weights_outside).graph.initializer
    }
    assert read["large"].tolist() == list(range(3000))


def test_weights_that_are_not_beside_are_asked_for(with_weights_outside: Path) -> None:
    with_weights_outside.with_name("m.data").unlink()
    assert "keeps its weights in m.data, and that is not beside it" in refused(with_weights_outside)


def test_weights_that_are_cut_short_are_refused(with_weights_outside: Path) -> None:
    data = with_weights_outside.with_name("m.data")
    data.write_bytes(data.read_bytes()[:100])
    assert "in m.data cannot be read" in refused(with_weights_outside)


def test_more_than_one_file_holds_is_refused(
    with_weights_outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = with_weights_outside.stat().st_size
    for largest in (size - 1, size + 11_999):
        monkeypatch.setattr(takt_export.imported.onnx_file, "LARGEST", largest)
        assert "exceed 2 GB" in refused(with_weights_outside)
    monkeypatch.setattr(takt_export.imported.onnx_file, "LARGEST", size + 20_000)
    read_graph(with_weights_outside)


def test_stored_floats_are_counted_by_their_width() -> None:
    assert stored_floats(model()) == (5, 2)
