"""Conditions whose bounds no scenario of the alert rules goes to."""

from __future__ import annotations

import math

import pytest

from takt.core.intervals import chance_of_so_many
from takt.observing.status.cases import reject_rate_high
from takt.observing.status.reading import Reading, Series
from takt.observing.status.readings import Found, KeptReadings, Readings


def answered(verdict: str) -> Series:
    labels = {"model": "nut", "outcome": "ok", "protocol": "rest", "verdict": verdict}
    return "takt_requests_total", tuple(sorted(labels.items()))


def of_version(name: str, version: str) -> Series:
    return name, (("model", "nut"), ("version", version))


def found(
    rejects: int, pictures: int, promised: float = 0.01, others: dict[Series, float] | None = None
) -> Found:
    """What is found where so many of the last quarter's pictures were rejected."""
    kept = KeptReadings(every_s=5)
    for share in (0, 1):
        values = {
            answered("good"): float(share * (pictures - rejects)),
            answered("anomalous"): float(share * rejects),
            of_version("takt_model_active", "1"): 1.0,
            of_version("takt_promised_reject_ratio", "1"): promised,
            **(others or {}),
        }
        now = Reading(600.0 * share, values)
        kept.add(now)
    return reject_rate_high(Readings(now, kept, unix_s=1e9))


def test_far_more_rejects_than_are_promised_are_found_with_their_share() -> None:
    assert found(24, 64) == {("nut",): 0.375}


def test_as_many_rejects_as_are_promised_are_found_at_no_number_of_pictures() -> None:
    for pictures in (100, 1000, 10_000, 100_000):
        assert found(pictures // 100, pictures) == found(3 * pictures // 100, pictures) == {}


def test_the_least_number_that_is_found_is_one_that_chance_hardly_makes() -> None:
    for pictures in (20, 100, 1000):
        least = next(one for one in range(pictures) if found(one, pictures))
        assert chance_of_so_many(least, pictures, 0.03) < 0.001
        assert least == 5 or chance_of_so_many(least - 1, pictures, 0.03) >= 0.001


def test_somebody_who_tries_a_few_defects_raises_no_alarm() -> None:
    assert found(4, 4) == {}
    assert found(5, 5) == {("nut",): 1.0}


def test_where_nothing_is_promised_nothing_is_found() -> None:
    assert found(64, 64, promised=1.0) == {}
    assert found(24, 64, promised=0.4) == {}


def test_the_promise_of_a_version_that_does_not_answer_counts_for_nothing() -> None:
    old = {
        of_version("takt_model_active", "0"): 0.0,
        of_version("takt_promised_reject_ratio", "0"): 0.001,
    }
    assert found(24, 64, promised=1.0, others=old) == {}


@pytest.mark.parametrize("limit", [0.003, 0.03, 0.3])
def test_what_the_rule_of_prometheus_finds_a_server_finds_as_well(limit: float) -> None:
    """The rule has Chernoff's bound, as PromQL has no exact tail: it is never the sooner one."""
    for pictures in (10, 100, 1000):
        for rejects in range(1, pictures):
            share = rejects / pictures
            if share <= limit:
                continue
            evidence = share * math.log(share / limit)
            evidence += (1 - share) * math.log((1 - share) / (1 - limit))
            if pictures * evidence > 6.9:
                assert chance_of_so_many(rejects, pictures, limit) < 0.00101
