"""The Python model with Triton stood in for: `tests/triton` runs it in a real one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from takt.api.oip.triton.model import BACKEND, TritonPythonModel, settings_of_process
from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import Override, Overrides
from takt.core.bundles.writing import sign_bundle
from takt.core.engines.fake import FakeEngine
from takt.core.tensors.triton import TritonForm
from takt.settings import Settings
from tests.conftest import MakeBundle
from tests.signing import OURS, public_pem
from tests.unit.service.api.triton.backend import (
    Given,
    Graphs,
    Response,
    Tensor,
    TritonModelError,
    arguments,
    backend,
)

OWN = TritonForm("onnxruntime")
BY_TRITON = TritonForm("onnxruntime", "parts_graph", max_batch_size=4)

Encode = Callable[..., bytes]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Graphs:
    """The models of the Triton that is stood in for."""
    graphs = Graphs(FakeEngine().infer)
    monkeypatch.setitem(sys.modules, BACKEND, backend(graphs))
    return graphs


@contextmanager
def loaded(bundle: Bundle, form: TritonForm) -> Iterator[TritonPythonModel]:
    model = TritonPythonModel()
    model.initialize(arguments(bundle.path.parent, form, bundle.path.name))
    yield model
    model.finalize()


def files(*pictures: bytes) -> list[Tensor]:
    return [Tensor("image", np.array(pictures, np.object_))]


def ask(model: TritonPythonModel, *given: Given) -> list[Response]:
    return model.execute(given)


@pytest.mark.parametrize("form", [OWN, BY_TRITON], ids=["its own engine", "Triton's model"])
def test_pictures_get_score_verdict_and_regions(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode, form: TritonForm
) -> None:
    pictures = files(picture_bytes(50), picture_bytes(50, spot=200))
    with loaded(bundle, form) as model:
        (answer,) = ask(model, Given(pictures))

    assert answer.names == ["score", "threshold", "anomalous", "regions", "warnings"]
    assert answer["score"] == pytest.approx([50 / 255, 200 / 255], abs=1e-6)
    assert answer["threshold"].tolist() == [0.5, 0.5]
    assert answer["anomalous"].tolist() == [False, True]
    assert json.loads(answer["regions"][0]) == []
    assert json.loads(answer["regions"][1])[0]["peak"] == pytest.approx(200 / 255, abs=1e-6)
    assert [json.loads(one) for one in answer["warnings"]] == [[], []]


def test_only_named_outputs_are_made(bundle: Bundle, graphs: Graphs, picture_bytes: Encode) -> None:
    named = [frozenset({"anomaly_map", "heatmap", "score"}), frozenset({"warnings"})]
    with loaded(bundle, OWN) as model:
        several, warnings = (
            ask(model, Given(files(picture_bytes(50)), names))[0] for names in named
        )

    assert several.names == ["score", "anomaly_map", "heatmap"]
    assert several["anomaly_map"].shape == (1, 32, 32)
    assert several["heatmap"][0].startswith(b"\xff\xd8")
    assert warnings.names == ["warnings"]


def test_raw_pictures_are_answered_as_files_are(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    pixels = np.full((2, 48, 64, 3), 50, np.uint8)
    with loaded(bundle, OWN) as model:
        by_file, by_pixels = ask(
            model, Given(files(picture_bytes(50))), Given([Tensor("pixels", pixels)])
        )

    assert by_pixels["score"].tolist() == [by_file["score"][0]] * 2


def test_a_requests_options_are_those_of_takts_server(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    pictures = files(picture_bytes(50))
    with loaded(bundle, OWN) as model:
        lower, unknown = ask(
            model,
            Given(pictures, options={"threshold": 0.1, "timeout_ms": 30_000}),
            Given(pictures, options={"treshold": 0.1}),
        )

    assert lower["anomalous"].tolist() == [True]
    assert lower["threshold"] == pytest.approx([0.1])
    assert unknown.error().code == "INVALID_ARG"
    assert "treshold" in unknown.error().said


def test_a_bad_picture_fails_its_own_request_only(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    with loaded(bundle, OWN) as model:
        good, bad = ask(
            model,
            Given(files(picture_bytes(50))),
            Given(files(picture_bytes(50), picture_bytes(50)[:-20])),
        )

    assert good["score"] == pytest.approx([50 / 255], abs=1e-6)
    assert bad.error().code == "INVALID_ARG"
    assert bad.error().said.startswith("picture 1, counted from 0:")


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ([], "the inputs are none"),
        ([*files(b""), Tensor("pixels", np.zeros((1, 8, 8, 3), np.uint8))], "send one"),
        ([Tensor("pixels", np.zeros((1, 8, 8, 4), np.uint8))], "shape of pixels"),
        (files(*[b""] * 65), "send 1 to 64"),
    ],
    ids=["none", "both", "four channels", "too many"],
)
def test_inputs_that_takts_server_refuses_are_refused(
    bundle: Bundle, graphs: Graphs, tensors: list[Tensor], said: str
) -> None:
    with loaded(bundle, OWN) as model:
        (answer,) = ask(model, Given(tensors))

    assert answer.error().code == "INVALID_ARG"
    assert said in answer.error().said


def test_a_timeout_of_the_clients_call_counts(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    with loaded(bundle, OWN) as model:
        (late,) = ask(model, Given(files(picture_bytes(50)), timeout_us=1))

    assert late.error().code == "UNAVAILABLE"
    assert "timeout_ms" in late.error().said


def test_tiles_are_asked_of_triton_in_batches(
    make_bundle: MakeBundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    tiled = make_bundle(tiling={"width": 32, "height": 24, "overlap": 0, "blend": "max"})
    with loaded(tiled, BY_TRITON) as model:
        (answer,) = ask(
            model,
            Given(files(picture_bytes(50, spot=200)), frozenset({"score", "anomaly_map"})),
        )

    assert answer["score"] == pytest.approx([200 / 255], abs=1e-6)
    assert answer["anomaly_map"].shape[0] == 1
    assert {(model, version) for model, version, _ in graphs.asked} == {("parts_graph", 1)}
    assert max(count for _, _, count in graphs.asked) <= 4


def test_a_graph_of_tritons_is_proved_before_its_first_answer(
    make_bundle: MakeBundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    drifting = make_bundle(trained=0.9)
    with loaded(drifting, BY_TRITON) as model:
        (answer,) = ask(model, Given(files(picture_bytes(50))))

    assert answer.error().code == "UNAVAILABLE"
    assert "drifts from the trained model" in answer.error().said


def test_a_graph_that_is_not_there_yet_is_asked_again(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    picture = Given(files(picture_bytes(50)))
    graphs.run = None
    with loaded(bundle, BY_TRITON) as model:
        (early,) = ask(model, picture)
        graphs.run = FakeEngine().infer
        (later,) = ask(model, picture)

    assert "parts_graph" in early.error().said
    assert "Server not ready" in early.error().said
    assert later["score"] == pytest.approx([50 / 255], abs=1e-6)


def test_a_bundle_that_drifts_is_not_loaded(make_bundle: MakeBundle, graphs: Graphs) -> None:
    drifting = make_bundle(trained=0.9)

    with pytest.raises(TritonModelError, match="drifts from the trained model"):
        TritonPythonModel().initialize(arguments(drifting.path.parent, OWN))


def test_settings_come_from_the_environment(
    bundle: Bundle, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKT_MAX_IMAGE_PIXELS", "many")

    with pytest.raises(TritonModelError, match="max_image_pixels is 'many'"):
        TritonPythonModel().initialize(arguments(bundle.path.parent, OWN))


def test_with_trusted_keys_only_signed_bundles_are_loaded(
    bundle: Bundle,
    graphs: Graphs,
    picture_bytes: Encode,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = tmp_path / "keys.pem"
    keys.write_bytes(public_pem(OURS))
    monkeypatch.setenv("TAKT_TRUSTED_KEYS", str(keys))

    with pytest.raises(TritonModelError, match="is not signed"):
        TritonPythonModel().initialize(arguments(bundle.path.parent, OWN))
    sign_bundle(bundle, OURS)
    with loaded(bundle, OWN) as model:
        (answer,) = ask(model, Given(files(picture_bytes(50))))
    assert answer["anomalous"].tolist() == [False]


def test_thresholds_that_were_set_at_the_line_hold(
    bundle: Bundle, graphs: Graphs, picture_bytes: Encode
) -> None:
    ours = Overrides(image=Override(value=0.1, set_at="2026-01-01T00:00:00Z"))
    (bundle.path / "thresholds.json").write_bytes(ours.json_bytes())
    with loaded(bundle, OWN) as model:
        (answer,) = ask(model, Given(files(picture_bytes(50))))

    assert answer["threshold"] == pytest.approx([0.1])
    assert answer["anomalous"].tolist() == [True]


@pytest.mark.parametrize(
    ("processes", "given", "threads"), [(1, {}, 8), (3, {}, 2), (9, {}, 1), (3, {"all": 5}, 5)]
)
def test_the_processes_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, processes: int, given: dict[str, Any], threads: int
) -> None:
    monkeypatch.setattr("takt.settings.usable_cores", lambda: 8)
    asked = given.get("all", 0)
    ours = Settings(engine_threads=asked, decode_threads=asked)

    settings = settings_of_process(ours, OWN, processes)

    assert (settings.engine_threads, settings.threads_for_decoding) == (threads, threads)


def test_a_process_that_asks_triton_batches_as_that_model_does() -> None:
    settings = settings_of_process(Settings(engine="auto"), BY_TRITON, 1)

    assert (settings.engine, settings.max_batch_size) == ("onnxruntime", 4)
