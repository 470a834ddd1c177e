"""Opens the candidates one by one, checks each, and measures them in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from service.batching.batcher import BatcherOptions
from service.bundles.bundle import Bundle
from service.commands.tune.candidates import Candidate
from service.commands.tune.choice import promising
from service.commands.tune.measure import Round, measure_round
from service.commands.tune.results import Measured, Refused, Results
from service.engines.base import Engine
from service.engines.golden import check_golden
from service.engines.opener import EngineOpener, OpenedEngine, engine_opener
from service.errors import DriftError, TaktError
from service.repository.context import batcher_options
from service.settings import Settings

Tell = Callable[[str], None]


@dataclass(frozen=True)
class TuneOptions:
    """How candidates are measured.

    Attributes:
        seconds: for each candidate, in all its rounds together.
        rounds: in which they take turns, two at least, so that what changes on the host meanwhile
            hits all alike.
        target_ms: that the p99 is to keep, if any.
        batching: all but `max_batch_size`, which is the candidate's.
    """

    seconds: float
    rounds: int
    target_ms: float | None
    batching: BatcherOptions


OpenerOf = Callable[[Candidate], EngineOpener]


def openers(base: Settings, cache: Path) -> OpenerOf:
    """What opens candidates as the service will.

    Args:
        base: see `Candidate.settings`.
        cache: for what is compiled on a GPU, where the settings name no place for it: each round
            opens an engine anew.
    """

    def of_candidate(candidate: Candidate) -> EngineOpener:
        settings = candidate.settings(base)
        if candidate.gpu and settings.engine_cache is None:
            settings = settings.model_copy(update={"engine_cache": cache})
        return engine_opener(settings)

    return of_candidate


def batching_of(base: Settings) -> BatcherOptions:
    """Batches as the service forms them."""
    return batcher_options(base)


def tune(
    bundle: Bundle,
    candidates: Sequence[Candidate],
    reference: Candidate,
    options: TuneOptions,
    opener_of: OpenerOf,
    tell: Tell,
) -> Results:
    """Measure what can be served.

    Only one candidate is open at a time, as it will be when it serves: the others' memory and
    threads are out of its way.

    Args:
        bundle: whose golden inputs are the pictures.
        candidates: in the order of their turns.
        reference: runs in every round, if it is among them.
        options: see there.
        opener_of: opens an instance of a candidate.
        tell: takes lines about what is going on.
    """
    bench = _Bench(bundle, options, opener_of)
    measured: dict[Candidate, Measured] = {}
    refused: list[Refused] = []
    unfit: set[str] = set()
    left: tuple[Candidate, ...] = tuple(candidates)
    for number in range(1, options.rounds + 1):
        turn = f"round {number} of {options.rounds}"
        for candidate in left:
            if candidate.engine in unfit:
                continue
            try:
                found = bench.run(candidate, measured.get(candidate))
            except TaktError as error:
                refusal = _refusal(candidate, error, measured)
                refused.append(refusal)
                if refusal.what == candidate.engine:
                    unfit.add(candidate.engine)
                measured.pop(candidate, None)
                tell(f"{turn}: {refusal.what} cannot be served")
            else:
                measured[candidate] = found
                tell(f"{turn}: {candidate}: {found.rounds[-1].images_per_s:.1f} images/s")
        stay = promising(tuple(measured.values()), options.target_ms)
        left = tuple(one for one in measured if one == reference or measured[one] in stay)
    return Results(tuple(measured.values()), tuple(refused), measured.get(reference))


def _refusal(candidate: Candidate, error: TaktError, measured: Iterable[Candidate]) -> Refused:
    """Of the whole engine, unless it has run otherwise: the first way asks the least of a host."""
    ran = any(one.engine == candidate.engine for one in measured)
    what = str(candidate) if ran else candidate.engine
    return Refused(what, str(error), isinstance(error, DriftError))


class _Bench:
    """Runs a candidate for a round."""

    def __init__(self, bundle: Bundle, options: TuneOptions, opener_of: OpenerOf) -> None:
        self._bundle = bundle
        self._options = options
        self._opener_of = opener_of

    def run(self, candidate: Candidate, former: Measured | None) -> Measured:
        """One more round; the first one asks whether it answers like the trained model.

        Raises:
            TaktError: the host lacks the engine, or it drifts, or it failed.
        """
        with self._opened(candidate, checked=former is None) as engines:
            batching = replace(self._options.batching, max_batch_size=candidate.max_batch_size)
            seconds = self._options.seconds / self._options.rounds
            images = list(self._bundle.golden.images)
            found: Round = asyncio.run(measure_round(engines, images, batching, seconds))
            rounds = (*former.rounds, found) if former else (found,)
            return Measured(candidate, engines[0].description, rounds)

    @contextmanager
    def _opened(self, candidate: Candidate, *, checked: bool) -> Iterator[Sequence[Engine]]:
        """One engine for each instance, the same one if it is shareable; closed at the end."""
        open_one = self._opener_of(candidate)
        with ExitStack() as held:

            def opened_one() -> OpenedEngine:
                opened = open_one(self._bundle)
                held.enter_context(closing(opened.engine))
                return opened

            first = opened_one()
            if checked:
                check_golden(first.engine, self._bundle, first.plan.variant)
            count = candidate.instances
            if first.engine.shareable:
                yield [first.engine] * count
            else:
                yield [first.engine, *(opened_one().engine for _ in range(count - 1))]
