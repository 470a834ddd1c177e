import math

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from takt.observing.instruments.histogram import LabelledHistograms, UnlockedHistogram

BOUNDS = (0.001, 0.5, 2.0)
VALUES = (0.0005, 0.001, 0.0011, 0.5, 1.0, 3.0, 3.0)


def samples(registry: CollectorRegistry) -> dict[str, float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        f"{sample.name} {sorted(sample.labels.items())}": sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_what_prometheus_reads_is_what_its_own_client_would_expose() -> None:
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    reference = Histogram("t_seconds", "T.", ("model",), buckets=BOUNDS, registry=theirs)
    histograms = LabelledHistograms("t_seconds", "T.", ("model",))
    ours.register(histograms)
    for value in VALUES:
        reference.labels("a").observe(value)
        histograms.child(BOUNDS, "a").observe(value)
    assert samples(ours) == samples(theirs)
    assert samples(ours)["t_seconds_count [('model', 'a')]"] == len(VALUES)


def test_a_bucket_shows_the_last_request_that_fell_in_it() -> None:
    registry = CollectorRegistry()
    histograms = LabelledHistograms("t_seconds", "T.", ())
    registry.register(histograms)
    child = histograms.child(BOUNDS)
    child.observe_of(0.2, "first", 1.5)
    child.observe_of(0.3, "second", 2.5)
    child.observe(0.4)
    text = openmetrics(registry).decode()
    (line,) = (line for line in text.splitlines() if 'le="0.5"' in line)
    assert line.startswith('t_seconds_bucket{le="0.5"} 3.0 # {request_id="second"} 0.3 2.5')
    assert "first" not in text


def test_a_removed_histogram_is_exposed_no_longer() -> None:
    histograms = LabelledHistograms("t", "T.", ("version",))
    histograms.child(BOUNDS, "1").observe(1.0)
    histograms.remove("1")
    histograms.remove("never there")
    (family,) = histograms.collect()
    assert family.samples == []


def test_the_highest_bucket_has_no_bound() -> None:
    child = UnlockedHistogram(BOUNDS)
    child.observe(math.inf)
    assert child.buckets()[-1] == ("+Inf", 1)


@pytest.mark.parametrize("value", BOUNDS)
def test_a_value_on_a_bound_belongs_below_it(value: float) -> None:
    child = UnlockedHistogram(BOUNDS)
    child.observe(value)
    assert child.buckets()[BOUNDS.index(value)][1] == 1
