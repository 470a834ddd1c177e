"""Opens the candidates one at a time, checks them, and measures them in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from takt.commands.tune.candidates import Candidate
from takt.commands.tune.choice import promising
from takt.commands.tune.measure import Round, measure_round
from takt.commands.tune.results import MeasuredCandidate, RefusedCandidate, TuneResults
from takt.core.batching.options import BatcherOptions
from takt.core.bundles.bundle import Bundle
from takt.core.engines.base import Engine
from takt.core.engines.golden import check_golden
from takt.core.engines.opener import EngineOpener, OpenedEngine, engine_opener
from takt.core.errors import DriftError, TaktError
from takt.settings import Settings

Tell = Callable[[str], None]


@dataclass(frozen=True)
class TuneOptions:
    """Options of a tuning.

    Attributes:
        seconds: seconds for each candidate, over all its rounds.
        rounds: number of rounds, two or more. Candidates take turns in each, so that a change of
            the host affects all of them.
        target_ms: largest p99 allowed; None for no limit.
        batching: options of the batcher; `max_batch_size` comes from the candidate.
    """

    seconds: float
    rounds: int
    target_ms: float | None
    batching: BatcherOptions


OpenerOf = Callable[[Candidate], EngineOpener]


def openers(base: Settings, cache: Path) -> OpenerOf:
    """Maker of openers, which open a candidate's engine as the service does.

    Args:
        base: settings that a candidate does not change.
        cache: folder for engines compiled on a GPU, used if the settings name none, as each round
            opens the engine again.
    """

    def of_candidate(candidate: Candidate) -> EngineOpener:
        settings = candidate.settings(base)
        if candidate.gpu and settings.engine_cache is None:
            settings = settings.model_copy(update={"engine_cache": cache})
        return engine_opener(settings.engine_options)

    return of_candidate


def tune(
    bundle: Bundle,
    candidates: Sequence[Candidate],
    reference: Candidate,
    options: TuneOptions,
    opener_of: OpenerOf,
    tell: Tell,
) -> TuneResults:
    """Measures the candidates that can be served.

    One candidate is open at a time, as in service, so that others take no memory and no threads.

    Args:
        bundle: bundle whose golden inputs are the pictures.
        candidates: candidates in the order of their turns.
        reference: candidate that runs in every round, if it is among the candidates.
        options: options of the tuning.
        opener_of: makes the opener of a candidate's engines.
        tell: prints a line of progress.
    """
    measured: dict[Candidate, MeasuredCandidate] = {}
    refused: list[RefusedCandidate] = []
    unfit: set[str] = set()
    left: tuple[Candidate, ...] = tuple(candidates)
    for number in range(1, options.rounds + 1):
        turn = f"round {number} of {options.rounds}"
        for candidate in left:
            if candidate.engine in unfit:
                continue
            try:
                former = measured.get(candidate)
                found = _run(bundle, candidate, former, options, opener_of(candidate))
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
    return TuneResults(tuple(measured.values()), tuple(refused), measured.get(reference))


def _refusal(
    candidate: Candidate, error: TaktError, measured: Iterable[Candidate]
) -> RefusedCandidate:
    """Refusal of the whole engine, or of one candidate if another one of the engine ran."""
    ran = any(one.engine == candidate.engine for one in measured)
    what = str(candidate) if ran else candidate.engine
    return RefusedCandidate(what, str(error), isinstance(error, DriftError))


def _run(
    bundle: Bundle,
    candidate: Candidate,
    former: MeasuredCandidate | None,
    options: TuneOptions,
    open_one: EngineOpener,
) -> MeasuredCandidate:
    """Adds a round to the former ones; before the first one, the answers are checked.

    Raises:
        TaktError: the host lacks the engine, the engine drifts, or it failed.
    """
    with _opened(bundle, candidate.instances, open_one, checked=former is None) as engines:
        batching = replace(options.batching, max_batch_size=candidate.max_batch_size)
        seconds = options.seconds / options.rounds
        images = list(bundle.golden.images)
        found: Round = asyncio.run(measure_round(engines, images, batching, seconds))
        rounds = (*former.rounds, found) if former else (found,)
        return MeasuredCandidate(candidate, engines[0].description, rounds)


@contextmanager
def _opened(
    bundle: Bundle, count: int, open_one: EngineOpener, *, checked: bool
) -> Iterator[Sequence[Engine]]:
    """Opens an engine for each instance, or one for all if it is shareable, and closes them."""
    with ExitStack() as held:

        def opened_one() -> OpenedEngine:
            opened = open_one(bundle)
            held.enter_context(closing(opened.engine))
            return opened

        first = opened_one()
        if checked:
            check_golden(first.engine, bundle, first.plan.variant)
        if first.engine.shareable:
            yield [first.engine] * count
        else:
            yield [first.engine, *(opened_one().engine for _ in range(count - 1))]
