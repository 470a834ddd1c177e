"""Inspector of an evaluation's pictures that asks a server; needs takt_client."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import urlsplit

import httpx
import numpy as np

from takt.core.bundles.manifest import Manifest
from takt.core.pictures.placement import placement
from takt_client import RetryPolicy, TaktClient, TaktError, ThresholdOrigin
from takt_client.errors import (
    InvalidParameterError,
    ModelNotFoundError,
    QueueFullError,
    UnreachableError,
    UnreadableAnswerError,
)
from takt_export.errors import InspectorError
from takt_export.evaluation.deployed import AppliedThresholds
from takt_export.evaluation.inspectors import InspectedPicture

FIRST_CONTACT = RetryPolicy(deadline_s=5.0)
"""A server that is not there is told soon."""
RETRY = RetryPolicy(deadline_s=300.0, max_delay_s=30.0)
"""A server that is busy, or restarts meanwhile, is waited for."""


class HttpInspector:
    """Inspector that asks a running server over its REST API.

    Args:
        url: URL of the server.
        manifest: manifest of the bundle that the server should run.
        transport: transport instead of a network.
        sleep: waits a number of seconds before a retry.

    Raises:
        InspectorError: the URL is none of a server.
    """

    def __init__(
        self,
        url: str,
        manifest: Manifest,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._manifest = manifest
        self._sleep = sleep
        self._waited_s = 0.0
        transport = transport or transport_to(url)
        with self._told():
            self._first, self._client = (
                TaktClient(url, retry=retry, transport=transport, sleep=self._wait)
                for retry in (FIRST_CONTACT, RETRY)
            )

    def __enter__(self) -> Self:
        """The inspector; the end of the block closes its connections."""
        return self

    def __exit__(self, *error: object) -> None:
        self._first.close()
        self._client.close()

    def deployed(self) -> AppliedThresholds:
        """Thresholds in force at the server, which may differ from those of the bundle here.

        Raises:
            InspectorError: there is no server, it lacks the model, the model is not ready, or the
                response is not one of this API.
        """
        with self._told():
            model = self._first.model(self._manifest.name)
        found = {one.version: one.thresholds for one in model.versions}
        if self._manifest.version not in found:
            raise InspectorError(f"{self._url} does not serve {self._model}; correct --url")
        thresholds = found[self._manifest.version]
        if thresholds is None:
            raise InspectorError(
                f"{self._model} is not ready at {self._url}; evaluate it when it is"
            )

        def told(origin: ThresholdOrigin) -> str:
            if origin.source == "override":
                return f"in force at the server, set at the line at {origin.since}"
            return f"in force at the server, its bundle's own: {thresholds.method}"

        return AppliedThresholds(
            image=thresholds.image,
            pixel=thresholds.pixel,
            image_from=told(thresholds.image_origin),
            pixel_from=told(thresholds.pixel_origin),
        )

    def inspect(self, data: bytes) -> InspectedPicture:
        """POST a picture; a full queue is tried again when the server says.

        Raises:
            InspectorError: there is no server, it lacks the model, the response is not one of this
                API, or the queue stays full.
        """
        started_s, waited_s = time.perf_counter(), self._waited_s
        manifest = self._manifest
        with self._told():
            seen = self._client.inspect(
                manifest.name, data, version=manifest.version, heatmap="raw"
            )
            if seen.heatmap is None:
                raise UnreadableAnswerError("an answer without the raw heatmap")
            anomaly_map = np.load(io.BytesIO(seen.heatmap.data), allow_pickle=False)
        wall_s = time.perf_counter() - started_s - (self._waited_s - waited_s)
        return InspectedPicture(
            score=seen.score,
            threshold=seen.threshold,
            anomalous=seen.anomalous,
            anomaly_map=np.asarray(anomaly_map, np.float32),
            width=seen.width,
            height=seen.height,
            placed=placement(manifest.preprocess, seen.width, seen.height),
            total_ms=seen.timings.total_ms,
            wall_ms=wall_s * 1000,
        )

    @property
    def _model(self) -> str:
        return f"{self._manifest.name} version {self._manifest.version}"

    def _wait(self, delay_s: float) -> None:
        self._waited_s += delay_s
        self._sleep(delay_s)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The client's errors, with what to do about them here."""
        try:
            yield
        except InvalidParameterError as error:
            raise InspectorError(
                f"{self._url} is no URL of a server, such as http://127.0.0.1:8000"
            ) from error
        except UnreachableError as error:
            raise InspectorError(
                f"no answer from {self._url}: {error.reason}; "
                "start it with `takt serve`, or correct --url"
            ) from error
        except ModelNotFoundError as error:
            raise InspectorError(f"{self._url} does not serve {self._model}: {error}") from error
        except QueueFullError as error:
            raise InspectorError(
                f"the queue of {self._url} stayed full for {RETRY.deadline_s:.0f} s; "
                "evaluate when the line is idle, or raise its max_queue_size"
            ) from error
        except (UnreadableAnswerError, ValueError) as error:
            raise InspectorError(
                f"{self._url} does not answer like a Takt server ({error}); correct --url"
            ) from error
        except TaktError as error:
            raise InspectorError(f"{self._url} answered {error.status}: {error}") from error


def transport_to(url: str) -> httpx.BaseTransport | None:
    """Transport to a server on this very machine, to which a line's proxy has no way; else None."""
    local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    return httpx.HTTPTransport() if local else None
