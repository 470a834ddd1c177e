"""Inspectors of an evaluation's pictures: the bundle in this process, or a server that runs it."""

from __future__ import annotations

import base64
import binascii
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import cv2
import httpx
import numpy as np

from export.errors import InspectorError
from export.pictures import MAX_PIXELS
from service.bundles.bundle import Bundle
from service.bundles.manifest import Manifest, Preprocess
from service.domain import AnomalyMap
from service.engines.opener import engine_opener
from service.engines.plan import REFERENCE
from service.inspection.offline import inspect_offline
from service.pictures.placement import Placement, placement
from service.pictures.postprocess import Criteria, judge, picture_score
from service.settings import Settings

MAX_RETRIES = 10
MAX_WAIT_S = 30.0
TIMEOUT_S = 120.0
MAX_REGIONS = 64


@dataclass(frozen=True)
class InspectedPicture:
    """Verdict on one picture, with its anomaly map.

    Attributes:
        score: score of the picture.
        threshold: deployed threshold of scores.
        anomalous: verdict.
        anomaly_map: float32 [h, w].
        width: width of the upright picture in pixels.
        height: height of the upright picture in pixels.
        placed: place of the map on the picture.
        total_ms: time that the inspector measured.
        wall_ms: time that the caller measured, without waits for a retry.
    """

    score: float
    threshold: float
    anomalous: bool
    anomaly_map: AnomalyMap
    width: int
    height: int
    placed: Placement
    total_ms: float
    wall_ms: float


class Inspector(Protocol):
    """Inspection of encoded pictures, one at a time."""

    def inspect(self, data: bytes) -> InspectedPicture:
        """Inspect an encoded picture.

        Raises:
            TaktError: the picture was refused, or no server answers.
        """


class LocalInspector:
    """Inspector that runs a bundle in this process with the code of the service.

    Args:
        bundle: bundle of the model.
        threads: threads of the engine; 0 takes every core.
        criteria: thresholds to apply; None takes the bundle's own.
        engine: value of the setting `engine`.

    Raises:
        ConfigurationError: this host or the bundle has no such engine.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 0,
        criteria: Criteria | None = None,
        engine: str = REFERENCE,
    ) -> None:
        self._manifest = bundle.manifest
        self._good_scores = np.sort(bundle.calibration.good_score)
        self._criteria = criteria or Criteria(
            threshold=self._manifest.thresholds.image,
            pixel_threshold=self._manifest.thresholds.pixel,
        )
        settings = Settings.model_validate(
            {"engine": engine, "engine_instances": 1, "engine_threads": threads}
        )
        self._engine = engine_opener(settings)(bundle).engine

    def __enter__(self) -> Self:
        """The inspector; the end of the block closes its engine."""
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.close()

    def inspect(self, data: bytes) -> InspectedPicture:
        """Decode, preprocess, infer and judge a picture."""
        started_s = time.perf_counter()
        inspected = inspect_offline(self._engine, data, self._manifest, MAX_PIXELS)
        width, height, anomaly_map = inspected.width, inspected.height, inspected.answer.anomaly_map
        verdict = judge(
            picture_score(
                inspected.answer.score, anomaly_map, self._manifest.score_from, width, height
            ),
            anomaly_map,
            inspected.placed,
            self._criteria,
            self._good_scores,
            MAX_REGIONS,
        )
        took_ms = (time.perf_counter() - started_s) * 1000
        return InspectedPicture(
            score=verdict.score,
            threshold=verdict.threshold,
            anomalous=verdict.anomalous,
            anomaly_map=anomaly_map,
            width=width,
            height=height,
            placed=inspected.placed,
            total_ms=took_ms,
            wall_ms=took_ms,
        )


class HttpInspector:
    """A running server, over its REST API.

    Args:
        client: with the server's URL as its base.
        manifest: of the bundle that the server should run.
        sleep: waits for a number of seconds before a retry.
    """

    def __init__(
        self,
        client: httpx.Client,
        manifest: Manifest,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._manifest = manifest
        self._sleep = sleep

    def inspect(self, data: bytes) -> InspectedPicture:
        """POST a picture; where the queue is full, come back when the server says.

        Raises:
            InspectorError: no server, no such model, another answer than this API's, or a queue
                that stays full.
        """
        for retries_left in range(MAX_RETRIES, -1, -1):
            started_s = time.perf_counter()
            response = self._post(data)
            wall_ms = (time.perf_counter() - started_s) * 1000
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return self._answer(response, wall_ms)
            if retries_left:
                self._sleep(_retry_after_s(response))
        raise InspectorError(
            f"the queue of {self._client.base_url} stayed full through {MAX_RETRIES} retries; "
            "evaluate when the line is idle, or raise its max_queue_size"
        )

    def _post(self, data: bytes) -> httpx.Response:
        try:
            return self._client.post(
                f"/v1/models/{self._manifest.name}/versions/{self._manifest.version}/inspect",
                params={"heatmap": "raw"},
                content=data,
                headers={"Content-Type": "application/octet-stream"},
            )
        except httpx.HTTPError as error:
            raise InspectorError(
                f"no answer from {self._client.base_url} ({error or type(error).__name__}); "
                "start it with `takt serve`, or correct --url"
            ) from error

    def _answer(self, response: httpx.Response, wall_ms: float) -> InspectedPicture:
        if response.status_code == httpx.codes.NOT_FOUND:
            raise InspectorError(
                f"{self._client.base_url} does not serve {self._manifest.name} version "
                f"{self._manifest.version}: {_detail(response)}"
            )
        if response.is_error:
            raise InspectorError(
                f"{self._client.base_url} answered {response.status_code}: {_detail(response)}"
            )
        try:
            answer = _parse(response.json(), self._manifest.preprocess, wall_ms)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise InspectorError(
                f"{self._client.base_url} does not answer like a Takt server ({error!r}); "
                "correct --url"
            ) from error
        return answer


def check_same_model(inspector: Inspector, bundle: Bundle) -> None:
    """Compare an inspector's score of the bundle's first golden input with the golden score.

    Raises:
        InspectorError: the inspector runs another model, or no server answers.
    """
    golden, manifest = bundle.golden, bundle.manifest
    height, width = manifest.preprocess.input_size
    tiling = manifest.tiling
    if manifest.preprocess.crop is not None or (
        tiling is not None and (width > tiling.width or height > tiling.height)
    ):
        return  # no picture reaches the model as it is then
    encoded, png = cv2.imencode(".png", golden.images[0][..., ::-1])
    assert encoded
    expected = picture_score(
        float(golden.score[0]), golden.anomaly_map[0], manifest.score_from, width, height
    )
    score = inspector.inspect(png.tobytes()).score
    if not abs(score - expected) <= manifest.tolerance:
        raise InspectorError(
            f"the server has another model under this name and version: it scores a golden input "
            f"{score:.6g} instead of {expected:.6g}; serve the repository that holds "
            f"{bundle.path}"
        )


def open_client(url: str) -> httpx.Client:
    """A client of a server, to be closed by the caller.

    Raises:
        InspectorError: this is no HTTP URL.
    """
    try:
        # A line's proxy has no way to a server on this very machine.
        local = httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")
        client = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=not local)
    except (httpx.InvalidURL, ValueError) as error:
        raise InspectorError(f"{url} is no URL: {error}") from error
    if client.base_url.scheme not in ("http", "https") or not client.base_url.host:
        client.close()
        raise InspectorError(f"{url} is no URL of a server, such as http://127.0.0.1:8000")
    return client


def _parse(body: Any, spec: Preprocess, wall_ms: float) -> InspectedPicture:
    width, height = int(body["image"]["width"]), int(body["image"]["height"])
    raw = np.load(io.BytesIO(base64.b64decode(body["heatmap"]["data"])), allow_pickle=False)
    return InspectedPicture(
        score=float(body["score"]),
        threshold=float(body["threshold"]),
        anomalous=bool(body["anomalous"]),
        anomaly_map=np.asarray(raw, np.float32),
        width=width,
        height=height,
        placed=placement(spec, width, height),
        total_ms=float(body["timings_ms"]["total"]),
        wall_ms=wall_ms,
    )


def _retry_after_s(response: httpx.Response) -> float:
    """What the server asks for, at least a moment and at most `MAX_WAIT_S`."""
    try:
        asked_s = float(response.headers.get("Retry-After", 1))
    except ValueError:  # a date, which Takt does not send, but a proxy may
        asked_s = 1.0
    return min(max(asked_s, 0.05), MAX_WAIT_S)


def _detail(response: httpx.Response) -> str:
    """The problem's own words, else the status line's."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
