import math

import numpy as np
import pytest

from takt.commands.bench.figures import (
    Figures,
    OutcomeCount,
    Second,
    StreamCounts,
    Window,
    figures_of,
    percentiles,
)
from takt.commands.bench.samples import RequestOutcome, Samples


def run(*requests: tuple[float, float, int, str], **given: object) -> Figures:
    """The figures of requests (intended_s, latency_s, status, code) in a window of 1 to 3 s."""
    samples = Samples()
    for intended_s, latency_s, status, code in requests:
        outcome = RequestOutcome(100 + intended_s + latency_s, status, code, 10, 5, age_ms=2.0)
        samples.add(100.0, 100 + intended_s, 100 + intended_s + 0.001, outcome)
    return figures_of(samples.columns(), Window(1.0, 3.0), **given)


def test_a_percentile_is_a_time_that_some_request_took() -> None:
    found = percentiles(np.arange(1.0, 1001.0))
    assert found is not None
    assert (found.p50, found.p90, found.p95, found.p99, found.p99_9, found.max) == (
        500,
        900,
        950,
        990,
        999,
        1000,
    )
    assert found.count == 1000
    assert found.mean == 500.5


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentiles(np.zeros(0)) is None


def test_the_warm_up_does_not_count() -> None:
    figures = run((0.5, 9.0, 200, "ok"), (1.5, 0.1, 200, "ok"))
    assert figures.requests == 1
    assert figures.latency_ms is not None
    assert figures.latency_ms.max == pytest.approx(100)


def test_throughput_is_what_came_within_the_window_whenever_it_was_sent() -> None:
    figures = run(
        (0.9, 0.2, 200, "ok"), (1.5, 0.1, 200, "ok"), (2.0, 0.1, 200, "ok"), (2.9, 0.2, 200, "ok")
    )
    assert figures.answered_per_s == 3 / 2
    assert figures.answered == 3
    assert figures.offered_per_s == 3 / 2


def test_goodput_takes_200s_within_the_deadline_only() -> None:
    figures = run(
        (1.0, 0.05, 200, "ok"),
        (1.1, 0.20, 200, "ok"),
        (1.2, 0.01, 429, "queue_full"),
        (1.3, 0.30, 0, "unanswered"),
        deadline_ms=100,
    )
    assert figures.goodput_per_s == 1 / 2
    assert figures.good_share == 1 / 4


def test_without_a_deadline_there_is_no_goodput() -> None:
    figures = run((1.0, 0.05, 200, "ok"))
    assert figures.goodput_per_s is None
    assert figures.good_share is None


def test_refusals_have_times_of_their_own_and_do_not_flatter_the_latency() -> None:
    figures = run(
        (1.0, 0.5, 200, "ok"), (1.1, 0.001, 429, "queue_full"), (1.2, 0.003, 429, "queue_full")
    )
    assert figures.latency_ms is not None and figures.refusal_ms is not None
    assert (figures.latency_ms.count, figures.refusal_ms.count) == (1, 2)
    assert figures.latency_ms.p50 == pytest.approx(500)
    assert figures.refusal_ms.p99 == pytest.approx(3)


def test_outcomes_are_counted_the_most_frequent_first() -> None:
    figures = run(
        (1.0, 0.1, 504, "deadline_exceeded"), (1.1, 0.1, 200, "ok"), (1.2, 0.1, 200, "ok")
    )
    assert figures.outcomes == (
        OutcomeCount(200, "ok", 2),
        OutcomeCount(504, "deadline_exceeded", 1),
    )
    assert (figures.sent_bytes, figures.received_bytes) == (30, 15)


def test_unanswered_requests_are_told() -> None:
    figures = run((1.0, 2.0, 0, "unanswered"), (1.1, 0.1, 200, "ok"))
    assert figures.unanswered == 1
    assert figures.answered == 1


def test_what_we_cut_off_ourselves_says_nothing_of_the_server() -> None:
    figures = run((1.0, 0.1, 0, "cut_off"), (1.1, 0.1, 200, "ok"), interrupted=True)
    assert figures.requests == 1
    assert [outcome.code for outcome in figures.outcomes] == ["ok"]
    assert figures.interrupted


def test_the_course_of_the_run_has_every_second_from_its_start() -> None:
    figures = run((0.1, 0.1, 200, "ok"), (2.1, 0.1, 200, "ok"), (2.2, 0.1, 429, "queue_full"))
    assert figures.seconds == (Second(0, 1, 0), Second(1, 0, 0), Second(2, 1, 1))


def test_the_lag_of_the_generator_is_told() -> None:
    figures = run((1.0, 0.1, 200, "ok"))
    assert figures.lag_ms is not None
    assert figures.lag_ms.max == pytest.approx(1.0)


def test_a_stream_tells_ages_drops_and_what_went_wrong() -> None:
    figures = run(
        (1.0, 0.1, 200, "ok"),
        (1.1, 0.1, 0, "dropped"),
        stream=StreamCounts(order_violations=1, lost_frames=2, lost_connections=3),
    )
    stream = figures.stream
    assert stream is not None and stream.age_ms is not None
    assert (stream.dropped, stream.order_violations) == (1, 1)
    assert (stream.lost_frames, stream.lost_connections) == (2, 3)
    assert stream.age_ms.p99 == 2.0


def test_verdicts_are_counted_only_where_asked_for() -> None:
    assert run((1.0, 0.1, 200, "ok")).anomalous is None
    assert run((1.0, 0.1, 200, "ok"), verdicts=True).anomalous == 0


def test_a_run_without_a_single_request_has_no_figures_but_says_so() -> None:
    figures = run()
    assert (figures.requests, figures.answered, figures.answered_per_s) == (0, 0, 0)
    assert figures.latency_ms is None
    assert figures.seconds == ()
    assert not math.isnan(figures.offered_per_s)
