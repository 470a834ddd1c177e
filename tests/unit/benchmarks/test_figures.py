"""Runs -> figures of a cell -> what it falls short of."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.peers.figures import Cell, Key, Pair, Run, Scores, merge, misses, to_cell

QUICK = Run(
    requests=400,
    run_s=2.0,
    p50_ms=4.0,
    p95_ms=6.0,
    p99_ms=8.0,
    max_ms=9.0,
    socket_errors=0,
    refused=0,
    timeouts=0,
    cpu_s=0.8,
    foreign=0.01,
)
KEY = Key("tiny", 256, 8)


def pair(ratio: float, noise: float = 0.0) -> Pair:
    peer = dataclasses.replace(QUICK, requests=round(QUICK.requests * ratio), foreign=noise)
    return Pair(control=QUICK, peer=peer)


def cell(ratio: float, *, p99_ms: float = 8.0, refused: int = 0, key: Key = KEY) -> Cell:
    measured = pair(ratio)
    peer = dataclasses.replace(measured.peer, p99_ms=p99_ms, refused=refused)
    return to_cell(key, [dataclasses.replace(measured, peer=peer)], keep=1)


def test_runs_merge_by_their_requests_and_the_mean_of_their_percentiles():
    slow = dataclasses.replace(QUICK, requests=100, run_s=3.0, p99_ms=20.0, max_ms=30.0, cpu_s=0.2)

    side = merge([QUICK, slow])

    assert side.requests == 500
    assert side.rate_per_s == pytest.approx(100.0)
    assert side.rates_per_s == pytest.approx((200.0, 100 / 3))
    assert side.cpu_ms == pytest.approx(2.0)
    assert (side.p50_ms, side.p99_ms, side.max_ms) == (4.0, 14.0, 30.0)


def test_every_kind_of_failed_request_is_an_error():
    failing = dataclasses.replace(QUICK, socket_errors=1, refused=2, timeouts=4)

    assert merge([QUICK, failing]).errors == 7


def test_a_server_that_answers_nothing_has_no_rate_and_no_division_by_zero():
    silent = dataclasses.replace(QUICK, requests=0)

    assert (merge([silent]).rate_per_s, merge([silent]).cpu_ms) == (0.0, 800.0)


def test_a_ratio_is_that_of_rates_where_runs_differ_in_length():
    longer = dataclasses.replace(QUICK, requests=800, run_s=2.5)

    assert Pair(control=QUICK, peer=longer).ratio == pytest.approx(1.6)


def test_the_ratio_of_a_cell_is_the_median_of_its_pairs():
    measured = to_cell(KEY, [pair(1.5), pair(0.5), pair(1.2)], keep=3)

    assert (measured.ratio_low, measured.ratio, measured.ratio_high) == (0.5, 1.2, 1.5)


def test_only_the_quietest_pairs_count():
    measured = to_cell(KEY, [pair(0.2, noise=0.9), pair(1.1), pair(1.2, noise=0.1)], keep=2)

    assert (measured.ratio_low, measured.ratio_high, measured.noise) == (1.1, 1.2, 0.1)
    assert measured.control.requests == 2 * QUICK.requests


def test_a_pair_is_as_noisy_as_its_worse_run():
    noisy = dataclasses.replace(QUICK, foreign=0.4)

    assert Pair(control=noisy, peer=QUICK).noise == Pair(control=QUICK, peer=noisy).noise == 0.4


@pytest.mark.parametrize(
    ("model", "clients", "least"),
    [
        ("tiny", 1, 1.0),
        ("tiny", 8, 1.2),
        ("tiny", 32, 1.2),
        ("null", 1, 1.45),
        ("null", 8, 1.45),
        ("null", 32, 1.6),
    ],
)
@pytest.mark.parametrize("width", [256, 1280])
def test_each_cell_has_its_least_ratio(model, clients, least, width):
    key = Key(model, width, clients)

    assert misses(cell(least, key=key), []) == []
    assert misses(cell(least - 0.01, key=key), []) == [
        f"ratio {least - 0.01:.2f} is below {least:.2f}"
    ]


def test_a_tail_as_long_as_the_controls_is_met_and_a_longer_one_missed():
    assert misses(cell(1.2, p99_ms=8.0), []) == []
    assert misses(cell(1.2, p99_ms=8.1), []) == ["p99 8.1 ms is above the control's 8.0"]


def test_a_fast_cell_with_a_failed_request_misses():
    assert misses(cell(1.2, refused=3), []) == ["3 of 480 requests failed"]


def test_every_rival_that_is_as_fast_is_named():
    rivals = [("slow", cell(1.1)), ("same", cell(1.2)), ("fast", cell(1.3))]

    assert misses(cell(1.2), rivals) == [
        "ratio 1.20 is not above same's 1.20",
        "ratio 1.20 is not above fast's 1.30",
    ]


def test_scores_differ_relative_to_the_controls_but_never_to_less_than_one():
    assert Scores(256, control=4.0, peer=4.2).difference == pytest.approx(0.05)
    assert Scores(256, control=-0.01, peer=0.01).difference == pytest.approx(0.02)
