from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from takt.core.bundles.bundle import MODEL, Bundle, Calibration, load_bundle
from takt.core.bundles.variant import GoldenBounds, Variant, VariantDrift
from takt.core.bundles.writing import add_variant, replace_calibration
from takt.core.errors import BundleError
from tests.conftest import MakeBundle
from tests.manifests import rewrite_manifest


def variant_of(name: str = "openvino-int8", *files: str, **fields: Any) -> Variant:
    return Variant.model_validate(
        {
            "name": name,
            "engine": "openvino",
            "precision": "int8",
            "model": files[0] if files else MODEL,
            "files": files,
            "drift": VariantDrift(
                pictures=1, score=0, score_spans=0, anomaly_map=0, map_spans=0, turned=0
            ),
            "bounds": GoldenBounds(score=1, anomaly_map=1),
            "made_with": {},
            "created_at": "2026-01-01T00:00:00+00:00",
        }
        | fields
    )


def test_a_variant_is_there_after_loading_with_its_files(bundle: Bundle) -> None:
    files = {"a.xml": b"graph", "a.bin": b"weights"}
    added = add_variant(bundle, variant_of("openvino-int8", *files), files)
    loaded = load_bundle(bundle.path)
    assert loaded.variant("openvino-int8") == added.variant("openvino-int8")
    assert {name: (bundle.path / name).read_bytes() for name in files} == files
    assert loaded.manifest.thresholds == bundle.manifest.thresholds
    assert loaded.manifest.files[MODEL] == bundle.manifest.files[MODEL]


def test_several_variants_stand_side_by_side(bundle: Bundle) -> None:
    add_variant(bundle, variant_of("openvino-bf16", precision="bf16"), {})
    both = add_variant(
        load_bundle(bundle.path), variant_of("openvino-int8", "a.xml"), {"a.xml": b"1"}
    )
    assert [one.name for one in both.manifest.variants] == ["openvino-bf16", "openvino-int8"]


def test_changes_that_were_begun_on_the_same_bundle_are_all_kept(bundle: Bundle) -> None:
    stale = load_bundle(bundle.path)
    add_variant(bundle, variant_of("openvino-bf16", precision="bf16"), {})
    add_variant(stale, variant_of("openvino-int8", "a.xml"), {"a.xml": b"1"})
    good, none = np.full(40, 0.25, np.float32), np.zeros(0, np.float32)
    own = bundle.manifest.thresholds.model_copy(update={"image": 0.25})
    replace_calibration(stale, Calibration(good, good, none, none), own, map_low=0.1)
    add_variant(stale, variant_of("onnxruntime-int8", "b.onnx"), {"b.onnx": b"2"})
    found = load_bundle(bundle.path).manifest
    names = [one.name for one in found.variants]
    assert names == ["openvino-bf16", "openvino-int8", "onnxruntime-int8"]
    assert found.thresholds.image == 0.25


def test_a_change_that_was_begun_on_another_model_is_refused(
    bundle: Bundle, make_bundle: MakeBundle
) -> None:
    shutil.rmtree(bundle.path)
    make_bundle(scale=0.5)
    with pytest.raises(BundleError, match="another model by now: give the command again"):
        add_variant(bundle, variant_of("openvino-bf16", precision="bf16"), {})
    assert not load_bundle(bundle.path).manifest.variants


def test_a_variant_of_the_same_name_takes_the_place_of_the_former_and_of_its_files(
    bundle: Bundle,
) -> None:
    first = add_variant(bundle, variant_of("int8", "a.xml"), {"a.xml": b"1"})
    second = add_variant(first, variant_of("int8", "b.xml"), {"b.xml": b"2"})
    assert [one.model for one in second.manifest.variants] == ["b.xml"]
    assert "a.xml" not in second.manifest.files
    assert not (bundle.path / "a.xml").exists()


def test_a_changed_file_of_a_variant_is_found_out(bundle: Bundle) -> None:
    add_variant(bundle, variant_of("int8", "a.xml"), {"a.xml": b"1"})
    (bundle.path / "a.xml").write_bytes(b"2")
    with pytest.raises(BundleError, match=r"a\.xml is not the file that was exported"):
        load_bundle(bundle.path)


def test_files_that_a_variant_does_not_name_are_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="has files"):
        add_variant(bundle, variant_of("int8", "a.xml"), {"b.xml": b"1"})
    assert load_bundle(bundle.path).manifest == bundle.manifest


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda variants: variants.append(variants[0]), "two variants have one name"),
        (lambda variants: variants[0].update(model="gone.xml"), r"needs gone\.xml"),
        (lambda variants: variants[0].update(files=["gone.bin"]), r"needs gone\.bin"),
        (lambda variants: variants[0].update(name="../up"), "name"),
        (lambda variants: variants[0].update(engine="abacus"), "engine"),
        (lambda variants: variants[0].update(bounds={"score": 0, "anomaly_map": 1}), "bounds"),
    ],
)
def test_a_wrong_entry_is_refused_by_what_is_wrong(
    bundle: Bundle, change: Any, complaint: str
) -> None:
    add_variant(bundle, variant_of(), {})
    rewrite_manifest(bundle.path, lambda manifest: change(manifest["variants"]))
    with pytest.raises(BundleError, match=complaint):
        load_bundle(bundle.path)


def test_an_unknown_variant_lists_those_that_there_are(bundle: Bundle) -> None:
    varied = add_variant(bundle, variant_of("openvino-bf16"), {})
    with pytest.raises(BundleError, match="no variant 'int4', but openvino-bf16"):
        varied.variant("int4")
