from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import takt.commands.tune.run
from takt.commands.tune.candidates import Candidate, reference_of
from takt.commands.tune.measure import Round
from takt.commands.tune.run import TuneOptions, openers, tune
from takt.core.batching.options import BatcherOptions
from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.engines.base import EngineOutput
from takt.core.engines.fake import FakeEngine
from takt.core.engines.opener import EngineOpener, OpenedEngine
from takt.core.engines.options import EngineOptions
from takt.core.engines.plan import plan_for
from takt.core.errors import ConfigurationError, EngineError
from takt.settings import Settings

MakeBundle = Callable[..., Bundle]

SLOW = Candidate("slow", 1, 1, 1)
FAST = Candidate("fast", 1, 1, 1)
FAST_TWICE = Candidate("fast", 2, 1, 1)
OPTIONS = TuneOptions(
    seconds=1e-3,
    rounds=3,
    target_ms=None,
    batching=BatcherOptions(max_batch_size=1, max_queue_delay_s=0.0, max_queue_size=256),
)


class Drifting(FakeEngine):
    def infer(self, images):  # type: ignore[no-untyped-def]
        output = super().infer(images)
        return EngineOutput(output.anomaly_map + 1, output.score + 1)


class Sharing(FakeEngine):
    shareable = True


class Host:
    """Opens engines of some classes; knows which it has opened, and how many were open at most."""

    def __init__(self, bundle: Bundle, **engines: Callable[[], FakeEngine]) -> None:
        self.engines = engines
        self.opened: list[FakeEngine] = []
        self.opened_for: list[Candidate] = []
        self.most_open = 0
        self._plan = plan_for(bundle, EngineOptions())

    def opener_of(self, candidate: Candidate) -> EngineOpener:
        def open_one(bundle: Bundle) -> OpenedEngine:
            if candidate.engine not in self.engines:
                raise ConfigurationError(f"{candidate.engine} is not installed")
            engine = self.engines[candidate.engine]()
            self.opened.append(engine)
            self.opened_for.append(candidate)
            self.most_open = max(self.most_open, sum(not one.closed for one in self.opened))
            return OpenedEngine(engine, self._plan)

        return open_one


class Rates:
    """Stands in for the measurement: each candidate has the rate that it is told, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, host: Host, **rates: float) -> None:
        self.rates = rates
        self.host = host
        self.turns: list[str] = []
        monkeypatch.setattr(takt.commands.tune.run, "measure_round", self.measure)

    async def measure(self, engines: list[FakeEngine], *_: object) -> Round:
        name = self.host.opened_for[-1].engine
        self.turns.append(name)
        if self.rates[name] == 0:
            raise EngineError("out of memory")
        return Round(self.rates[name], (1.0,))


def test_candidates_take_turns(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(bundle, a=FakeEngine, b=FakeEngine)
    rates = Rates(monkeypatch, host, a=10.0, b=9.0)
    found = tune(
        bundle,
        [Candidate("a", 1, 1, 1), Candidate("b", 1, 1, 1)],
        SLOW,
        OPTIONS,
        host.opener_of,
        [].append,
    )
    assert rates.turns == ["a", "b"] * 3
    assert [len(one.rounds) for one in found.measured] == [3, 3]


def test_what_is_far_behind_leaves_and_the_reference_stays(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(bundle, slow=FakeEngine, fast=FakeEngine, slower=FakeEngine)
    rates = Rates(monkeypatch, host, slow=5.0, fast=100.0, slower=6.0)
    candidates = [SLOW, Candidate("slower", 1, 1, 1), FAST]
    found = tune(bundle, candidates, SLOW, OPTIONS, host.opener_of, [].append)
    assert rates.turns == ["slow", "slower", "fast", *["slow", "fast"] * 2]
    assert found.reference == found.measured[0]
    assert [len(one.rounds) for one in found.measured] == [3, 1, 3]


def test_one_candidate_is_open_at_a_time_and_all_are_closed(bundle: Bundle) -> None:
    host = Host(bundle, slow=FakeEngine, fast=FakeEngine)
    tune(bundle, [SLOW, FAST], SLOW, OPTIONS, host.opener_of, [].append)
    assert host.most_open == 1
    assert all(engine.closed for engine in host.opened)


def test_each_instance_has_an_engine_of_its_own(bundle: Bundle) -> None:
    host = Host(bundle, fast=FakeEngine)
    tune(bundle, [FAST_TWICE], SLOW, OPTIONS, host.opener_of, [].append)
    assert len(host.opened) == 2 * OPTIONS.rounds
    assert host.most_open == 2


def test_a_shareable_engine_is_opened_once_for_all_instances(bundle: Bundle) -> None:
    host = Host(bundle, fast=Sharing)
    tune(bundle, [FAST_TWICE], SLOW, OPTIONS, host.opener_of, [].append)
    assert len(host.opened) == OPTIONS.rounds


def test_an_engine_that_the_host_lacks_is_refused_once_with_the_reason(bundle: Bundle) -> None:
    host = Host(bundle, slow=FakeEngine)
    found = tune(bundle, [FAST, FAST_TWICE, SLOW], SLOW, OPTIONS, host.opener_of, [].append)
    assert [one.candidate for one in found.measured] == [SLOW]
    (refused,) = found.refused
    assert (refused.what, refused.reason) == ("fast", "fast is not installed")
    assert not refused.drifts


def test_an_engine_that_drifts_is_refused_before_it_is_measured(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(bundle, fast=Drifting)
    rates = Rates(monkeypatch, host, fast=100.0)
    found = tune(bundle, [FAST, FAST_TWICE], SLOW, OPTIONS, host.opener_of, [].append)
    assert found.measured == () == tuple(rates.turns)
    (refused,) = found.refused
    assert refused.drifts
    assert "drifts from the trained model" in refused.reason
    assert host.opened[0].closed


def test_a_variant_is_checked_by_its_own_bounds(make_bundle: MakeBundle) -> None:
    drift = {"pictures": 1, "score": 1, "score_spans": 1, "anomaly_map": 1, "map_spans": 1}
    wide = {
        "name": "wide",
        "engine": "openvino",
        "precision": "int8",
        "model": MODEL,
        "drift": {**drift, "turned": 0},
        "bounds": {"score": 2, "anomaly_map": 2},
        "made_with": {},
        "created_at": "2026-01-01T00:00:00Z",
    }
    bundle = make_bundle(variants=[wide])

    def opener_of(candidate: Candidate) -> EngineOpener:
        plan = plan_for(bundle, candidate.settings(Settings()).engine_options)
        return lambda _: OpenedEngine(Drifting(), plan)

    candidates = [Candidate("onnxruntime", 1, 1, 1), Candidate("wide", 1, 1, 1)]
    found = tune(bundle, candidates, SLOW, OPTIONS, opener_of, [].append)
    assert [one.candidate.engine for one in found.measured] == ["wide"]
    assert [one.what for one in found.refused] == ["onnxruntime"]


def test_one_way_that_fails_leaves_the_engine_its_others(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_again() -> FakeEngine:
        if sum(not engine.closed for engine in host.opened) == 1:
            raise EngineError("there is memory for one")
        return FakeEngine()

    host = Host(bundle, fast=open_again)
    Rates(monkeypatch, host, fast=100.0)
    found = tune(bundle, [FAST, FAST_TWICE], SLOW, OPTIONS, host.opener_of, [].append)
    assert [one.candidate for one in found.measured] == [FAST]
    assert [one.what for one in found.refused] == ["fast, 2 x 1 thread"]
    assert all(engine.closed for engine in host.opened)


def test_an_engine_that_fails_while_it_runs_is_refused_and_closed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(bundle, fast=FakeEngine)
    Rates(monkeypatch, host, fast=0.0)
    found = tune(bundle, [FAST], SLOW, OPTIONS, host.opener_of, [].append)
    assert found.measured == ()
    assert [one.reason for one in found.refused] == ["out of memory"]
    assert all(engine.closed for engine in host.opened)


def test_how_it_goes_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(bundle, slow=FakeEngine)
    Rates(monkeypatch, host, slow=5.0)
    told: list[str] = []
    tune(bundle, [SLOW, FAST], SLOW, OPTIONS, host.opener_of, told.append)
    assert told[:2] == [
        "round 1 of 3: slow, 1 x 1 thread: 5.0 images/s",
        "round 1 of 3: fast cannot be served",
    ]


def test_what_a_gpu_compiles_is_kept_between_the_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Settings] = []
    monkeypatch.setattr(takt.commands.tune.run, "engine_opener", found.append)
    of_candidate = openers(Settings(), tmp_path)
    of_candidate(Candidate("tensorrt", 1, 1, 1, gpu=True))
    of_candidate(reference_of(2))
    openers(Settings(engine_cache=Path("mine")), tmp_path)(Candidate("cuda", 1, 1, 1, gpu=True))
    assert [one.engine_cache for one in found] == [tmp_path, None, Path("mine")]
