"""One program of tritonclient asks Takt's server and a real Triton, and is answered alike."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle, load_bundle
from takt_export.triton.repository import TritonOptions, write_triton
from tests.conftest import MakeBundle, StartServer, flat_picture
from tests.triton.server import (
    TritonEndedError,
    backend_for_onnx_runtime,
    installed,
    run_triton,
)

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
PITTING = ROOT / "examples" / "models" / "pitting" / "1"
SCORES = 1e-5
"""Largest difference of a score or of a map's value."""

PROTOCOLS = ("http", "grpc")
PATIENCE_S = 300
"""Longest time of a call, on a machine that has other work."""

GRAPH_STAND_IN = '''"""The graph of the bundle, as Triton's backend for ONNX Runtime runs it."""

from pathlib import Path

import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        model = Path(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(model)

    def execute(self, requests):
        answers = []
        for request in requests:
            (images,) = request.inputs()
            found = self.session.run(["anomaly_map", "score"], {"images": images.as_numpy()})
            names = zip(("anomaly_map", "score"), found)
            answers.append(triton.InferenceResponse([triton.Tensor(*one) for one in names]))
        return answers
'''


def pictures() -> list[bytes]:
    """Two good parts, and the same two with a stain that was painted on."""
    good = sorted((ROOT / "examples" / "learn" / "good").glob("*.jpg"))[:2]
    found = [path.read_bytes() for path in good]
    for data in found[:2]:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        height, width = picture.shape[:2]
        cv2.circle(picture, (width // 3, height // 2), 9, (20, 20, 20), -1)
        found.append(cv2.imencode(".png", picture)[1].tobytes())
    return found


@dataclass(frozen=True)
class Caller:
    """A program of tritonclient, over one of its protocols."""

    protocol: str
    url: str
    model: str

    def infer(
        self, tensor: str, values: Any, outputs: Sequence[str] = (), **options: Any
    ) -> dict[str, Any]:
        """The outputs of one request; options are parameters, or `timeout` and `priority`."""
        client = importlib.import_module(f"tritonclient.{self.protocol}")
        kind = "UINT8" if tensor == "pixels" else "BYTES"
        given = client.InferInput(tensor, list(values.shape), kind)
        given.set_data_from_numpy(values)
        wanted = [client.InferRequestedOutput(name) for name in outputs] or None
        own = {name: options.pop(name) for name in ("timeout", "priority") if name in options}
        patient = {"network_timeout": PATIENCE_S} if self.protocol == "http" else {}
        if "timeout" not in own:
            options.setdefault("timeout_ms", PATIENCE_S * 1000)
        with client.InferenceServerClient(self.url, **patient) as asked:
            answer = asked.infer(
                self.model, [given], outputs=wanted, parameters=options or None, **own
            )
        names = outputs or ("score", "threshold", "anomalous", "regions")
        return {name: answer.as_numpy(name) for name in names}

    def refusal(self, *given: Any, **options: Any) -> str:
        """The words of the error that a request gets."""
        from tritonclient.utils import InferenceServerException

        with pytest.raises(InferenceServerException) as raised:
            self.infer(*given, **options)
        return str(raised.value.message())


def files(*given: bytes) -> np.ndarray[Any, Any]:
    return np.array(given, np.object_)


@dataclass(frozen=True)
class Asked:
    """The same model behind two servers."""

    takt: Caller
    triton: Caller


@pytest.fixture(scope="module", params=["python", "triton"])
def urls(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    start_server: StartServer,
) -> Iterator[dict[str, str]]:
    """Takt's server and Triton with the shipped model, in each form of the export."""
    installed()
    folder = tmp_path_factory.mktemp(request.param)
    runs_in = request.param
    options = TritonOptions(runs_in, processes=2, max_queue_delay_ms=2)
    write_triton(load_bundle(PITTING), folder / "repository", options)
    if runs_in == "triton":
        stand_in(folder / "repository" / "pitting_graph")
    with (
        start_server(PITTING.parents[1]) as takt,
        run_triton(folder / "repository", folder) as triton,
    ):
        yield {"takt": takt.url.removeprefix("http://"), **triton}


def stand_in(graph: Path) -> None:
    """Let the Python backend run a graph where there is no backend for ONNX Runtime.

    The configuration stays as it was written, but for the backend's name.
    """
    if backend_for_onnx_runtime() is not None:
        return
    config = graph / "config.pbtxt"
    written = config.read_text(encoding="utf-8")
    assert 'backend: "onnxruntime"' in written
    config.write_text(written.replace("onnxruntime", "python"), encoding="utf-8")
    (graph / "1" / "model.py").write_text(GRAPH_STAND_IN, encoding="utf-8")


@pytest.fixture(params=PROTOCOLS)
def asked(request: pytest.FixtureRequest, urls: dict[str, str]) -> Asked:
    protocol = request.param
    return Asked(
        takt=Caller("http", urls["takt"], "pitting"),
        triton=Caller(protocol, urls[protocol], "pitting"),
    )


def test_scores_verdicts_maps_and_regions_are_those_of_takts_server(asked: Asked) -> None:
    given = files(*pictures())
    outputs = ("score", "threshold", "anomalous", "regions", "anomaly_map")
    ours, theirs = (one.infer("image", given, outputs) for one in (asked.takt, asked.triton))

    differences = {
        name: float(np.abs(ours[name] - theirs[name]).max()) for name in ("score", "anomaly_map")
    }
    print(f"\n{asked.triton.protocol}: largest differences {differences}")
    assert max(differences.values()) <= SCORES
    assert theirs["threshold"].tolist() == ours["threshold"].tolist()
    assert theirs["anomalous"].tolist() == ours["anomalous"].tolist()
    assert set(ours["anomalous"].tolist()) == {True, False}
    boxes = [
        [[region["box"] for region in json.loads(one)] for one in found["regions"]]
        for found in (ours, theirs)
    ]
    assert boxes[0] == boxes[1]
    assert any(boxes[0])


def test_a_request_that_names_no_outputs_gets_the_same_ones(asked: Asked) -> None:
    picture = files(pictures()[0])
    client = importlib.import_module(f"tritonclient.{asked.triton.protocol}")
    image = client.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(picture)
    with client.InferenceServerClient(asked.triton.url) as triton:
        answer = triton.infer("pitting", [image])

    assert answer.as_numpy("regions") is not None
    assert answer.as_numpy("anomaly_map") is None
    assert answer.as_numpy("heatmap") is None
    assert [json.loads(one) for one in answer.as_numpy("warnings")] == [[]]


def test_raw_pictures_options_and_heatmaps_are_served(asked: Asked) -> None:
    pixels = np.stack([flat_picture(90, (200, 100), spot=200)] * 2)
    outputs = ("score", "anomalous", "threshold", "heatmap")
    options = {"threshold": 0.001, "heatmap": "map", "format": "png"}
    ours, theirs = (
        one.infer("pixels", pixels, outputs, **options) for one in (asked.takt, asked.triton)
    )

    assert np.abs(ours["score"] - theirs["score"]).max() <= SCORES
    assert theirs["threshold"] == pytest.approx([0.001] * 2)
    assert theirs["anomalous"].tolist() == [True, True]
    assert theirs["heatmap"][0] == ours["heatmap"][0]


@pytest.mark.parametrize(
    ("tensor", "values", "options"),
    [
        ("image", files(b"no picture"), {}),
        ("image", files(*[pictures()[0], pictures()[0][:5000]]), {}),
        ("image", files(pictures()[0]), {"treshold": 0.1}),
        ("image", files(pictures()[0]), {"heatmap": "map"}),
        ("pixels", np.zeros((1, 8, 8, 4), np.uint8), {}),
    ],
    ids=["no picture", "cut short", "unknown option", "option of no output", "four channels"],
)
def test_what_takts_server_refuses_is_refused_in_the_same_words(
    asked: Asked, tensor: str, values: Any, options: dict[str, Any]
) -> None:
    ours = asked.takt.refusal(tensor, values, ("score",), **options)
    theirs = asked.triton.refusal(tensor, values, ("score",), **options)

    # The name of what is wrong begins with the part of the request, which only has another name.
    assert theirs.replace("the request", "the body") == ours


def test_a_call_that_waits_too_long_is_refused(asked: Asked) -> None:
    said = asked.triton.refusal("image", files(*pictures()), timeout=1000)

    # Takt's words, or those of Triton's queue where the call has waited there.
    assert re.search(r"\b1 ms\b|Request timeout expired", said)


def test_calls_of_both_priorities_are_answered(asked: Asked) -> None:
    for priority in (1, 2):
        found = asked.triton.infer("image", files(pictures()[0]), priority=priority)
        assert found["score"].shape == (1,)


TILES = {"width": 32, "height": 24, "overlap": 4, "blend": "max"}


@pytest.mark.parametrize("runs_in", ["python", "triton"])
def test_a_model_that_sees_tiles_is_answered_alike(
    make_bundle: MakeBundle, tmp_path: Path, start_server: StartServer, runs_in: Any
) -> None:
    tiled: Bundle = make_bundle(tiling=TILES)
    write_triton(tiled, tmp_path / "triton", TritonOptions(runs_in, processes=1))
    if runs_in == "triton":
        stand_in(tmp_path / "triton" / "parts_graph")
    picture = cv2.imencode(".png", flat_picture(50, (200, 150), spot=180))[1].tobytes()
    outputs = ("score", "anomaly_map", "regions")
    with (
        start_server(tiled.path.parents[1]) as takt,
        run_triton(tmp_path / "triton", tmp_path) as triton,
    ):
        ours = Caller("http", takt.url.removeprefix("http://"), "parts")
        found = [
            one.infer("image", files(picture), outputs)
            for one in (
                ours,
                *(Caller(protocol, triton[protocol], "parts") for protocol in PROTOCOLS),
            )
        ]

    for theirs in found[1:]:
        assert np.abs(theirs["score"] - found[0]["score"]).max() <= SCORES
        assert np.abs(theirs["anomaly_map"] - found[0]["anomaly_map"]).max() <= SCORES
        assert theirs["regions"].tolist() == found[0]["regions"].tolist()


def test_a_bundle_that_drifts_is_not_loaded(make_bundle: MakeBundle, tmp_path: Path) -> None:
    drifting = make_bundle(trained=0.9)
    write_triton(drifting, tmp_path / "triton", TritonOptions("python", processes=1))

    with (
        pytest.raises(TritonEndedError, match="drifts from the trained model"),
        run_triton(tmp_path / "triton", tmp_path),
    ):
        pass


def test_a_graph_of_tritons_that_drifts_answers_nothing(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    drifting = make_bundle(trained=0.9)
    write_triton(drifting, tmp_path / "triton", TritonOptions(processes=1))
    stand_in(tmp_path / "triton" / "parts_graph")
    picture = cv2.imencode(".png", flat_picture(50))[1].tobytes()

    with run_triton(tmp_path / "triton", tmp_path) as triton:
        said = Caller("grpc", triton["grpc"], "parts").refusal("image", files(picture))

    assert "drifts from the trained model" in said
