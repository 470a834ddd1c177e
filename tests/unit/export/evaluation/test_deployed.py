from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from export.errors import InspectorError
from export.evaluation.deployed import AppliedThresholds, deployed_at, deployed_beside
from service.bundles.bundle import Bundle
from service.bundles.thresholds import DeployedThresholds, read_overrides

ORIGIN = {"image": {"source": "bundle"}, "pixel": {"source": "override", "since": "noon"}}
THRESHOLDS = {"image": 0.4, "pixel": 0.3, "method": "conformal", "origin": ORIGIN}


def ask(bundle: Bundle, answer: Callable[[httpx.Request], httpx.Response]) -> AppliedThresholds:
    with httpx.Client(base_url="http://line", transport=httpx.MockTransport(answer)) as client:
        return deployed_at(client, bundle.manifest)


def test_each_threshold_beside_a_bundle_tells_where_it_comes_from(bundle: Bundle) -> None:
    assert deployed_beside(bundle) == AppliedThresholds(0.5, 0.5, "by hand", "by hand")
    DeployedThresholds(bundle, read_overrides(bundle.path)).change(
        image=None, pixel=0.3, reason=None
    )
    set_here = "set at the line (thresholds.json)"
    assert deployed_beside(bundle) == AppliedThresholds(0.5, 0.3, "by hand", set_here)


def test_a_server_is_asked_for_those_of_the_version(bundle: Bundle) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        other = {"version": "2", "thresholds": None}
        return httpx.Response(
            200, json={"versions": [other, {"version": "1", "thresholds": THRESHOLDS}]}
        )

    found = ask(bundle, answer)
    assert asked == ["/v1/models/parts"]
    assert (found.image, found.pixel) == (0.4, 0.3)
    assert found.image_from == "in force at the server, its bundle's own: conformal"
    assert found.pixel_from == "in force at the server, set at the line at noon"


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (404, {}, "does not serve parts version 1"),
        (200, {"versions": [{"version": "2", "thresholds": THRESHOLDS}]}, "does not serve"),
        (200, {"versions": [{"version": "1", "thresholds": None}]}, "is not ready"),
        (502, {}, "answered 502"),
        (200, [], "does not answer like a Takt server"),
        (200, {"versions": [{"version": "1", "thresholds": {}}]}, "does not answer like a Takt"),
    ],
)
def test_a_server_that_does_not_tell_is_refused(
    bundle: Bundle, status: int, body: object, complaint: str
) -> None:
    with pytest.raises(InspectorError, match=complaint):
        ask(bundle, lambda _: httpx.Response(status, json=body))


def test_a_server_that_is_not_there_is_named(bundle: Bundle) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(InspectorError, match=r"no answer from http://line.*takt serve"):
        ask(bundle, nobody)
