"""What speaks against a model, for those who ask the server."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from tests.tested import BEARS

URL = "/v1/models/parts"
FINDING = {"code": "few_steps", "text": "the fit took 50 steps", "remedy": "fit it longer"}
SELF_TEST = {
    "pictures": 6,
    "sizes": [
        {"side_px": 8, "defects": 18, "found": 3},
        {"side_px": 16, "defects": 18, "found": 17},
    ],
    "findings": [FINDING],
    "made_at": "2026-01-01T00:00:00+00:00",
}


async def version_of(client: Any, number: str) -> dict[str, Any]:
    model = (await client.get(URL)).json()
    return next(one for one in model["versions"] if one["version"] == number)


async def test_a_version_shows_its_self_test_with_the_remedy(
    serve, make_bundle: Callable[..., Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    make_bundle(version="2", self_test=SELF_TEST)
    with caplog.at_level(logging.WARNING):
        async with serve() as client:
            shown = (await version_of(client, "2"))["self_test"]
            metrics = (await client.get("/metrics")).text
    assert shown == {
        "text": "finds 20 of 36 made-up defects; the smallest found is about 16 pixels",
        "defects": 36,
        "found": 20,
        "smallest_px": 16,
        "bears": None,
        "prices": None,
        "next_lot": None,
        "findings": [FINDING],
        "made_at": "2026-01-01T00:00:00+00:00",
    }
    assert 'takt_model_finding{finding="few_steps",model="parts",version="2"} 1.0' in metrics
    assert 'takt_model_finding{finding="other_size",model="parts",version="2"} 0.0' in metrics
    assert "few_steps: the fit took 50 steps; fit it longer" in caplog.text


async def test_a_version_shows_what_movement_it_bears(
    serve, make_bundle: Callable[..., Bundle]
) -> None:
    make_bundle(version="2", self_test=SELF_TEST | {"bears": BEARS})
    async with serve() as client:
        shown = (await version_of(client, "2"))["self_test"]["bears"]
    words = {"text": "shifts to 2 %; beyond that good parts are rejected", "warning": None}
    assert shown == words | BEARS


async def test_a_version_shows_what_other_rates_would_find(
    serve, make_bundle: Callable[..., Bundle]
) -> None:
    at = [
        {"alpha": alpha, "image": 0.5, "pixel": 0.6, "rejected": 1, "made_up": 9, "given": given}
        for alpha, given in ((0.01, 20), (0.05, 40))
    ]
    prices = {"alpha": 0.01, "good": 100, "made_up": 12, "given": 50, "at": at}
    make_bundle(version="2", self_test=SELF_TEST | {"prices": prices})
    async with serve() as client:
        shown = (await version_of(client, "2"))["self_test"]["prices"]
    advice = "at α = 5 % it finds 40 instead of 20 of the 50 given defects"
    at = [one | {"next_lot": None} for one in at]
    assert shown == prices | {"advice": advice, "at": at}


async def test_a_version_shows_what_to_expect_of_the_next_lot(
    serve, make_bundle: Callable[..., Bundle]
) -> None:
    known = {"lots": 11, "rejected": 9, "good": 180, "limit": 0.13, "limit_of_twice": 0.11}
    make_bundle(version="2", self_test=SELF_TEST | {"next_lot": known | {"such_as": "2026-01-31"}})
    async with serve() as client:
        shown = (await version_of(client, "2"))["self_test"]["next_lot"]
    assert shown.pop("text").startswith("up to 13 % of the good parts of a further lot")
    assert shown == known


async def test_a_bundle_without_a_self_test_is_served_and_says_that_none_was_made(serve) -> None:
    async with serve() as client:
        assert (await version_of(client, "1"))["self_test"] is None
        assert "takt_model_finding{" not in (await client.get("/metrics")).text
