from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import takt_export.variants.openvino
from takt.core.bundles.bundle import MODEL, Bundle, load_bundle
from takt.core.bundles.variant import Variant
from takt.core.bundles.writing import add_variant
from takt.core.engines.golden import check_golden
from takt.core.engines.opener import engine_opener
from takt.core.engines.openvino import OpenVinoEngine, import_openvino
from takt.core.engines.options import EngineOptions
from takt.core.errors import ConfigurationError, DriftError
from takt.repository.model_version import ModelVersion
from takt.settings import Settings
from takt_export.commands.export import export as export_group
from takt_export.variants.drift_gate import ALLOWED, AllowedDrift
from takt_export.variants.openvino import OpenVinoMaker
from takt_export.variants.openvino_int8 import Ir, quantize
from takt_export.variants.search import VariantOptions, export_variant

pytestmark = pytest.mark.torch

ServeOnce = Callable[[Path, Settings], ModelVersion]

WRONG, NODE = "teacher.conv2", "node_conv2d_5/WithoutBiases"
"""The teacher: what it answers outweighs the student of a detector that was never trained."""


@pytest.fixture(scope="module")
def varied(exported: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A copy with a variant of each precision."""
    path = tmp_path_factory.mktemp("varied") / "models" / "parts" / "1"
    shutil.copytree(exported, path)
    for precision in ("fp32", "bf16", "int8"):
        added(load_bundle(path), pictures, precision)
    return load_bundle(path)


ENOUGH = AllowedDrift(score_spans=1.0, map_spans=0.3, turned_share=1.0, auroc=1.0)
"""A detector that was never trained ranks noise by chance, and its scores span next to nothing."""


def added(
    bundle: Bundle, pictures: Path, precision: str, *, allowed: AllowedDrift = ENOUGH, **more: bool
) -> Bundle:
    options = VariantOptions(precision=precision, allowed=allowed, **more)  # type: ignore[arg-type]
    return export_variant(
        OpenVinoMaker(bundle, options, tell=lambda _: None),
        sorted((pictures / "good").iterdir()),
        sorted((pictures / "bad").iterdir()),
        quiet=True,
    )


def spoil(ir: Ir, factor: float = 3.0) -> None:
    """Multiply the scale of one layer's 8-bit weights."""
    core = import_openvino().Core()
    graph = core.read_model(ir.xml)
    (scale,) = (
        node
        for node in graph.get_ordered_ops()
        if node.get_friendly_name() == f"{NODE}/fq_weights_1"
    )
    constant = scale.input(1).get_source_output().get_node()
    wrong = import_openvino().opset13.constant(constant.data * factor)
    scale.input(1).replace_source_output(wrong.output(0))
    import_openvino().save_model(graph, ir.xml.with_name("spoilt.xml"), compress_to_fp16=False)
    ir.xml.with_name("spoilt.xml").replace(ir.xml)
    ir.weights.with_name("spoilt.bin").replace(ir.weights)


@pytest.mark.parametrize("precision, map_spans", [("fp32", 1e-4), ("bf16", 0.05), ("int8", 0.15)])
def test_each_precision_becomes_a_variant_with_its_drift(
    varied: Bundle, precision: str, map_spans: float
) -> None:
    variant = varied.variant(f"openvino-{precision}")
    assert (variant.engine, variant.provider, variant.precision) == ("openvino", "cpu", precision)
    assert variant.drift.pictures == 6
    assert variant.drift.map_spans <= map_spans
    assert variant.drift.image_auroc is not None
    assert variant.images_per_s is not None
    assert {"openvino", "nncf"} <= set(variant.made_with)


def test_fp32_and_bf16_run_the_reference_graph_and_8_bits_a_graph_of_their_own(
    varied: Bundle,
) -> None:
    assert varied.variant("openvino-bf16").model == MODEL
    assert varied.variant("openvino-bf16").files == ()
    int8 = varied.variant("openvino-int8")
    assert re.fullmatch(r"openvino-int8-[0-9a-f]{8}\.xml", int8.model)
    assert set(int8.files) == {int8.model, int8.model.replace(".xml", ".bin")}
    assert set(int8.files) <= set(varied.manifest.files)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_variant_answers_the_golden_inputs_within_its_bounds_as_it_is_served(
    varied: Bundle, precision: str
) -> None:
    opened = engine_opener(EngineOptions(engine=f"openvino-{precision}"))(varied)
    assert opened.engine.description.startswith(f"openvino CPU {precision}")
    check_golden(opened.engine, varied, opened.plan.variant)
    opened.engine.close()


def test_the_weights_of_8_bits_are_a_fraction_of_those_of_the_reference(varied: Bundle) -> None:
    weights = varied.variant("openvino-int8").model.replace(".xml", ".bin")
    # The reference has two bytes for most weights.
    assert (varied.path / weights).stat().st_size < 0.6 * varied.model_path.stat().st_size


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The quantiser makes one layer's scale wrong, whichever layers are kept."""

    def quantize_badly(*arguments: object) -> Ir:
        ir = quantize(*arguments)  # type: ignore[arg-type]
        if not arguments[4]:
            spoil(ir)
        return ir

    monkeypatch.setattr(takt_export.variants.openvino, "quantize", quantize_badly)
    yield


def test_a_variant_with_one_wrong_scale_is_refused_at_export_with_the_layer_named(
    thin: Bundle, pictures: Path, spoilt: None
) -> None:
    with pytest.raises(DriftError, match=f"it begins at {WRONG}") as refused:
        added(thin, pictures, "int8")
    assert "answers unlike the trained model" in str(refused.value)
    assert load_bundle(thin.path).manifest == thin.manifest


def test_the_search_keeps_the_layer_where_the_drift_begins(
    thin: Bundle, pictures: Path, spoilt: None
) -> None:
    changed = added(thin, pictures, "int8", auto_mixed=True)
    assert changed.variant("openvino-int8").kept == (WRONG,)


def test_a_variant_with_one_wrong_scale_is_refused_at_load_with_the_layer_named(
    varied: Bundle, tmp_path: Path, serve_once: ServeOnce
) -> None:
    path = tmp_path / "models" / "parts" / "1"
    shutil.copytree(varied.path, path)
    bundle = load_bundle(path)
    good = bundle.variant("openvino-int8")
    ir = Ir(path / "bad.xml", path / "bad.bin")
    shutil.copy(path / good.model, ir.xml)
    shutil.copy(path / good.model.replace(".xml", ".bin"), ir.weights)
    spoil(ir)
    # As if it had been exported so: all hashes are right, and so are the bounds of the good one.
    files = {file.name: file.read_bytes() for file in (ir.xml, ir.weights)}
    bad = Variant.model_validate(good.model_dump() | {"model": "bad.xml", "files": tuple(files)})
    add_variant(bundle, bad, files)
    model = serve_once(path, Settings(engine="openvino-int8"))
    assert model.state == "closed"
    assert model.reason is not None
    assert "drifts from the trained model" in model.reason
    assert f"it begins at {WRONG}" in model.reason
    served = serve_once(path, Settings(engine="openvino-bf16"))
    assert served.reason is None


def test_a_bound_of_nothing_refuses_any_drift(thin: Bundle, pictures: Path) -> None:
    nothing = replace(ALLOWED["bf16"], map_spans=1e-9)
    with pytest.raises(DriftError, match="maps differ by"):
        added(thin, pictures, "bf16", allowed=nothing)


def test_without_nncf_the_command_is_told_that_brings_it(
    thin: Bundle, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'nncf>=2.17'"):
        added(thin, pictures, "int8")


def test_the_command_adds_a_variant_and_shows_the_table(thin: Bundle, pictures: Path) -> None:
    arguments = ["openvino", str(thin.path), "--precision", "bf16", "-q"]
    options = ["--good", str(pictures / "good"), "--allow-drift", "3"]
    result = CliRunner().invoke(export_group, [*arguments, *options])
    assert result.exit_code == 0, result.output
    assert "openvino-bf16" in result.output.splitlines()[-1]
    assert load_bundle(thin.path).variant("openvino-bf16").drift.pictures == 4
    assert (thin.path / "card.md").exists()


def test_the_command_refuses_in_one_line(thin: Bundle, pictures: Path) -> None:
    arguments = ["openvino", str(thin.path), "--precision", "bf16", "-q"]
    options = ["--good", str(pictures / "good"), "--allow-drift", "1e-9"]
    result = CliRunner().invoke(export_group, [*arguments, *options])
    assert result.exit_code == 1
    assert "answers unlike the trained model" in result.output
    assert load_bundle(thin.path).manifest == thin.manifest


def test_a_variant_runs_on_several_streams(varied: Bundle) -> None:
    model = varied.path / varied.variant("openvino-int8").model
    engine = OpenVinoEngine.open(model, precision="int8", streams=2)
    check_golden(engine, varied, varied.variant("openvino-int8"))
    engine.close()
