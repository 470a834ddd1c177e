import itertools

import numpy as np
import pytest

from takt.commands.bench.arrivals import Bursts, Fixed, Poisson, parse_arrivals
from takt_client.errors import InvalidParameterError


def first(arrivals, count: int) -> list[float]:
    return list(itertools.islice(arrivals.offsets_s(), count))


def test_fixed_arrivals_keep_the_beat_without_drift() -> None:
    assert first(Fixed(10), 4) == [0, 0.1, 0.2, 0.3]
    assert first(Fixed(3), 3_001)[-1] == 1000.0


def test_poisson_arrivals_are_the_same_for_the_same_seed() -> None:
    assert first(Poisson(100, seed=1), 3000) == first(Poisson(100, seed=1), 3000)
    assert first(Poisson(100, seed=1), 10) != first(Poisson(100, seed=2), 10)


def test_poisson_arrivals_have_the_rate_and_the_spread_of_chance() -> None:
    gaps = np.diff(first(Poisson(200, seed=0), 20_000))
    assert np.all(gaps >= 0)
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 200, rel=0.03)


def test_bursts_come_all_at_once_each_period() -> None:
    bursts = Bursts(3, 0.5)
    assert first(bursts, 7) == [0, 0, 0, 0.5, 0.5, 0.5, 1.0]
    assert bursts.rate_per_s == 6


def test_arrivals_are_read_from_their_names() -> None:
    assert parse_arrivals("poisson", 5, 7) == Poisson(5, 7)
    assert parse_arrivals("fixed", 5, 7) == Fixed(5)
    assert parse_arrivals("burst:16@200ms", None, 7) == Bursts(16, 0.2)


@pytest.mark.parametrize(
    ("text", "rate_per_s", "said"),
    [
        ("poisson", None, "--rate"),
        ("burst:16@200ms", 5.0, "leave out --rate"),
        ("burst:0@200ms", None, "sends nothing"),
        ("burst:4@0ms", None, "sends nothing"),
        ("burst:4", None, "burst:16@200ms"),
        ("gamma", 5.0, "poisson, fixed"),
    ],
)
def test_what_is_no_arrival_process_is_refused(text, rate_per_s, said) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        parse_arrivals(text, rate_per_s, 0)
