"""The numbers of a server: over a stretch of time, and as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from takt.core.domain import STAGES
from takt.observing.instruments.model_metrics import SECONDS
from takt.observing.instruments.verdict_label import VerdictLabel
from takt.observing.status.quantiles import quantile
from takt.observing.status.reading import Counts, Reading, Series


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long answered pictures spent in one stage.

    Attributes:
        stage: its name.
        p50_ms: half of the pictures took no longer; None where there were none.
        p99_ms: 99 of a hundred took no longer.
    """

    stage: str
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened within a stretch of time.

    Attributes:
        seconds: its length.
        answered: pictures with a verdict.
        anomalous: those of them that are rejected.
        undecided: those of these that could not be judged.
        per_s: answered pictures in each second.
        refused: pictures that ended in an error, by its code; the most frequent first.
        stages: times of the answered pictures, by stage.
        busy_share: how much of their time engines worked; None where there is none.
        frames_dropped: frames of streams that newer ones replaced.
    """

    seconds: float
    answered: int
    anomalous: int
    undecided: int
    per_s: float
    refused: Mapping[str, int]
    stages: Sequence[StageTimes]
    busy_share: float | None
    frames_dropped: int


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One model, by its active version where a figure is of one.

    Attributes:
        model: its name.
        version: the active one; None if there is none.
        ready: whether that one answers.
        answered: pictures with a verdict within the stretch.
        anomalous: those of them that are rejected.
        undecided: those of these that could not be judged.
        per_s: answered pictures in each second.
        p99_ms: of the whole journey.
        queue_depth: pictures that wait, in all versions.
        working: engines that take pictures.
        instances: engines that there should be.
        busy_share: how much of their time these worked.
    """

    model: str
    version: str | None
    ready: bool
    answered: int
    anomalous: int
    undecided: int
    per_s: float
    p99_ms: float | None
    queue_depth: int
    working: int
    instances: int
    busy_share: float | None


class Difference:
    """What changed from one reading to another.

    Args:
        before: the earlier one; an empty one of the start, when everything was 0.
        now: the later one.
    """

    def __init__(self, before: Reading, now: Reading) -> None:
        self._before = before
        self._now = now
        self.seconds = now.at_s - before.at_s

    def stretch(self) -> Stretch:
        """Over all models."""
        answered = self._rise("takt_requests_total", outcome="ok")
        refused: dict[str, int] = {}
        for series, rise in self._rises("takt_requests_total"):
            code = dict(series[1])["outcome"]
            if code != "ok" and rise:
                refused[code] = refused.get(code, 0) + round(rise)
        return Stretch(
            seconds=self.seconds,
            answered=answered,
            anomalous=self._verdicts("anomalous") + self._verdicts("undecided"),
            undecided=self._verdicts("undecided"),
            per_s=self._each_s(answered),
            refused=dict(sorted(refused.items(), key=lambda item: (-item[1], item[0]))),
            stages=[self._times(stage) for stage in STAGES],
            busy_share=self._busy_share(),
            frames_dropped=self._rise("takt_stream_frames_dropped_total"),
        )

    def models(self) -> list[ModelFigures]:
        """Each model, by name."""
        names = {dict(labels)["model"] for labels in self._of("takt_model_active")}
        return [self._model(name) for name in sorted(names)]

    def p99_ms(self, stage: str, model: str | None = None) -> float | None:
        """The 99th percentile of a stage."""
        return _ms(quantile(0.99, SECONDS, self._stage_counts(stage, model)))

    def per_s(self, refused: bool = False) -> float:
        """Pictures in each second, those with a verdict or those without."""
        answered = self._rise("takt_requests_total", outcome="ok")
        if not refused:
            return self._each_s(answered)
        return self._each_s(self._rise("takt_requests_total") - answered)

    def _model(self, model: str) -> ModelFigures:
        active = next(
            (
                dict(labels)["version"]
                for labels, value in self._of("takt_model_active").items()
                if value and dict(labels)["model"] == model
            ),
            None,
        )
        version = {"model": model, "version": active or ""}
        answered = self._rise("takt_requests_total", outcome="ok", model=model)
        return ModelFigures(
            model=model,
            version=active,
            ready=bool(total(self._now, "takt_model_ready", **version)),
            answered=answered,
            anomalous=self._verdicts("anomalous", model=model)
            + self._verdicts("undecided", model=model),
            undecided=self._verdicts("undecided", model=model),
            per_s=self._each_s(answered),
            p99_ms=self.p99_ms("total", model),
            queue_depth=round(total(self._now, "takt_queue_depth", model=model)),
            working=round(total(self._now, "takt_engines_working", **version)),
            instances=round(total(self._now, "takt_engine_instances", **version)),
            busy_share=self._busy_share(model),
        )

    def _times(self, stage: str) -> StageTimes:
        counts = self._stage_counts(stage)
        return StageTimes(
            stage,
            *(_ms(quantile(share, SECONDS, counts)) for share in (0.5, 0.99)),
        )

    def _stage_counts(self, stage: str, model: str | None = None) -> Counts:
        before = self._before.stages
        rises = [
            [
                now - was
                for now, was in zip(counts, before.get(labels) or (0,) * len(counts), strict=True)
            ]
            for labels, counts in self._now.stages.items()
            if labels[1] == stage and model in (None, labels[0])
        ]
        return tuple(sum(column) for column in zip(*rises, strict=True))

    def _busy_share(self, model: str | None = None) -> float | None:
        wanted = {} if model is None else {"model": model}
        busy_s = sum(rise for _, rise in self._rises("takt_engine_busy_seconds_total", **wanted))
        engines = sum(
            self._of("takt_engine_instances").get(labels, 0.0)
            for labels, active in self._of("takt_model_active").items()
            if active and model in (None, dict(labels)["model"])
        )
        if not engines or self.seconds <= 0:
            return None
        return min(1.0, busy_s / (engines * self.seconds))

    def _verdicts(self, verdict: VerdictLabel, **labels: str) -> int:
        return self._rise("takt_requests_total", outcome="ok", verdict=verdict, **labels)

    def _rise(self, name: str, **labels: str) -> int:
        return round(sum(rise for _, rise in self._rises(name, **labels)))

    def _rises(self, name: str, **labels: str) -> Iterable[tuple[Series, float]]:
        for series, value in self._now.values.items():
            if series[0] == name and set(labels.items()) <= set(series[1]):
                yield series, value - self._before.values.get(series, 0.0)

    def _each_s(self, number: float) -> float:
        return number / self.seconds if self.seconds > 0 else 0.0

    def _of(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {series[1]: value for series, value in self._now.values.items() if series[0] == name}


def total(reading: Reading, name: str, **labels: str) -> float:
    """The sum of the values of a name that have these labels; 0 where there are none."""
    return sum(
        value
        for series, value in reading.values.items()
        if series[0] == name and set(labels.items()) <= set(series[1])
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
