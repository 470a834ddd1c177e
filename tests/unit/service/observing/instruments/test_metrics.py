import random
import string
from typing import get_args

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from takt.core.domain import UNKNOWN_SOURCE, FindingCode, Timings, Verdict
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.model_metrics import score_bounds
from takt.observing.instruments.version_metrics import VersionGauges
from takt.observing.records import AnswerRecord


def answered(score: float = 0.2, version: str = "1", request_id: str = "id") -> AnswerRecord:
    return AnswerRecord(
        model="parts",
        version=version,
        verdict=Verdict(score > 0.5, score, 0.5, None, ()),
        width=8,
        height=8,
        timings=Timings(1, 2, 3, 4, 5, 6, 21),
        by="rest",
        request_id=request_id,
        trace_id=None,
        at_s=1_700_000_000.5,
        warnings=(),
        source=UNKNOWN_SOURCE,
    )


def load(metrics: Metrics, version: str = "1") -> None:
    metrics.versions.watch(
        "parts", version, VersionGauges(lambda: 0, lambda: 1, lambda: 1, lambda: 1, lambda: 0)
    )
    metrics.loaded("parts", version, seconds=1.5, instances=2, bounds=score_bounds(0.1, 0.5))


def exposed(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_a_model_counts_from_zero_on() -> None:
    metrics = Metrics(256)
    load(metrics)
    text = exposed(metrics)
    assert 'takt_stage_seconds_count{model="parts",stage="total"} 0.0' in text
    for verdict in ("good", "anomalous"):
        count = f'model="parts",outcome="ok",protocol="rest",verdict="{verdict}"'
        assert f"takt_requests_total{{{count}}} 0.0" in text
    assert 'takt_model_load_seconds{model="parts",version="1"} 1.5' in text
    assert 'takt_engine_instances{model="parts",version="1"} 2.0' in text
    assert "takt_queue_size_limit 256.0" in text


def test_a_model_that_has_answered_nothing_has_no_last_picture() -> None:
    metrics = Metrics()
    load(metrics)
    name = 'takt_last_picture_timestamp_seconds{model="parts"}'
    assert name not in exposed(metrics)
    metrics.answered(answered())
    assert f"{name} 1.7000000005e+09" in exposed(metrics)


def test_every_stage_is_counted_in_seconds() -> None:
    metrics = Metrics()
    load(metrics)
    metrics.answered(answered())
    text = exposed(metrics)
    for stage, seconds in (("decode", 0.001), ("engine", 0.004), ("total", 0.021)):
        assert f'takt_stage_seconds_sum{{model="parts",stage="{stage}"}} {seconds}' in text


def test_the_threshold_ends_a_bucket_of_scores() -> None:
    bounds = score_bounds(0.1, 0.5)
    assert bounds[0] == pytest.approx(0.1)
    assert 0.5 in bounds
    assert list(bounds) == sorted(set(bounds))
    metrics = Metrics()
    load(metrics)
    metrics.answered(answered(0.5))
    metrics.answered(answered(0.51))
    assert 'takt_anomaly_score_bucket{le="0.5",model="parts",version="1"} 1.0' in exposed(metrics)


@pytest.mark.parametrize(("lowest", "threshold"), [(0.5, 0.5), (0.7, 0.5), (0.0, 0.0), (-3, -1)])
def test_buckets_of_scores_rise_whatever_the_calibration_was(
    lowest: float, threshold: float
) -> None:
    bounds = score_bounds(lowest, threshold)
    assert list(bounds) == sorted(set(bounds))
    assert threshold in bounds


def test_a_version_that_is_gone_leaves_no_figures() -> None:
    metrics = Metrics()
    load(metrics, "1")
    load(metrics, "2")
    metrics.versions.watch_threshold("parts", "2", "image", lambda: 0.5)
    metrics.versions.promised.labels("parts", "2").set(0.01)
    metrics.answered(answered(version="2"))
    metrics.forget("parts", "2")
    text = exposed(metrics)
    assert 'version="2"' not in text
    assert 'takt_model_ready{model="parts",version="1"} 1.0' in text


def test_an_answer_that_is_counted_after_its_version_went_makes_no_series() -> None:
    metrics = Metrics()
    load(metrics, "1")
    load(metrics, "2")
    metrics.forget("parts", "2")
    metrics.answered(answered(version="2"))
    text = exposed(metrics)
    assert 'version="2"' not in text
    assert 'takt_stage_seconds_count{model="parts",stage="total"} 1.0' in text


def test_an_id_that_is_too_long_for_openmetrics_is_no_example() -> None:
    metrics = Metrics()
    load(metrics)
    metrics.answered(answered(request_id="x" * 128))
    metrics.answered(answered(request_id="y" * 118))
    text = openmetrics(metrics.registry).decode()
    assert "xxx" not in text
    assert "y" * 118 in text
    assert list(text_string_to_metric_families(text))


def test_ten_thousand_request_ids_make_no_further_series() -> None:
    metrics = Metrics()
    load(metrics)
    metrics.answered(answered())
    before = exposed(metrics).count("\n")
    draw = random.Random(0)
    for _ in range(10_000):
        request_id = "".join(draw.choices(string.ascii_letters, k=20))
        metrics.answered(answered(request_id=request_id))
    assert exposed(metrics).count("\n") == before


def test_batches_are_counted_when_the_metrics_are_read() -> None:
    metrics = Metrics()
    load(metrics)
    batches = metrics.of_model("parts")
    assert metrics.of_model("parts") is batches
    for _ in range(100):
        batches.on_batch(2, 0.5)
    found = {
        sample.name: sample.value
        for family in metrics.read()
        for sample in family.samples
        if sample.name in ("takt_batch_size_sum", "takt_engine_busy_seconds_total")
    }
    assert found == {"takt_batch_size_sum": 200.0, "takt_engine_busy_seconds_total": 50.0}


def test_what_a_self_test_found_is_1_and_the_rest_0_until_the_version_is_gone() -> None:
    metrics = Metrics()
    load(metrics)
    assert "takt_model_finding{" not in exposed(metrics)
    metrics.versions.self_tested("parts", "1", ["few_steps"])
    text = exposed(metrics)
    assert 'takt_model_finding{finding="few_steps",model="parts",version="1"} 1.0' in text
    assert text.count("takt_model_finding{") == len(get_args(FindingCode))
    metrics.forget("parts", "1")
    assert "takt_model_finding{" not in exposed(metrics)


def test_stations_beyond_the_first_are_counted_together() -> None:
    metrics = Metrics(admits=lambda name: name in ("a", "b"))
    load(metrics)
    for station in ("a", "b", "c", "d", None):
        metrics.answered(answered(0.9)._replace(station=station))
    text = exposed(metrics)
    for station, count in (("a", 1), ("b", 1), ("other", 2)):
        labels = f'model="parts",station="{station}",verdict="anomalous"'
        assert f"takt_station_pictures_total{{{labels}}} {count}.0" in text
    assert 'takt_station_pictures_total{model="parts",station="a",verdict="good"} 0.0' in text
