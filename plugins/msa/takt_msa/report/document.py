"""An analysis as JSON for other programs: all figures, every part and every decision."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from takt_msa.analysis import StudyAnalysis, StudyContext
from takt_msa.figures import AppraiserFigures, BetweenAppraisers, Figure
from takt_msa.intervals import CONFIDENCE
from takt_msa.kappa import Kappa
from takt_msa.scores import PartScores, ScoreSpread
from takt_msa.study import Part, Study

FORMAT_VERSION = 1


def study_json(analysis: StudyAnalysis, context: StudyContext) -> str:
    """The analysis as JSON text; a figure that is not defined is null."""
    study = analysis.study
    document = {
        "format_version": FORMAT_VERSION,
        "title": context.title,
        "source": context.source,
        "analysed_at": context.analysed_at,
        "facts": {fact.name: fact.value for fact in context.facts},
        "confidence": CONFIDENCE,
        "good_parts": len(study.of(defective=False)),
        "defective_parts": len(study.of(defective=True)),
        "trials": study.trials,
        "notes": [asdict(note) for note in study.notes],
        "appraisers": [_appraiser(figures) for figures in analysis.appraisers],
        "between": None if analysis.between is None else _between(analysis.between),
        "scores": _scores(analysis.scores),
        "parts": _parts(study, analysis.scores),
    }
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _appraiser(figures: AppraiserFigures) -> dict[str, Any]:
    return {
        "appraiser": figures.appraiser,
        "rating": figures.rating,
        "shown": figures.shown,
        "effectiveness": _figure(figures.effectiveness),
        "miss_rate": _figure(figures.miss_rate),
        "false_alarm_rate": _figure(figures.false_alarm_rate),
        "kappa_reference": _figure(figures.kappa_reference),
        "with_reference": _figure(figures.with_reference),
        "between_trials": _figure(figures.between_trials),
        "kappa_trials": _figure(figures.kappa_trials),
    }


def _between(between: BetweenAppraisers) -> dict[str, Any]:
    return {
        "agreement": _figure(between.agreement),
        "with_reference": _figure(between.with_reference),
        "kappas": [
            {"first": pair.first, "second": pair.second, "kappa": _figure(pair.kappa)}
            for pair in between.kappas
        ],
    }


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    estimate = figure.estimate
    share = estimate.disagreement if isinstance(estimate, Kappa) else estimate
    return {
        "value": figure.value,
        "interval": [figure.interval.low, figure.interval.high],
        "count": None if isinstance(estimate, Kappa) else estimate.count,
        "of": None if isinstance(estimate, Kappa) else estimate.of,
        "unit": figure.unit,
        "parts": estimate.parts,
        "effective_decisions": share.effective,
        "limit": None if figure.limit is None else asdict(figure.limit),
        "rating": figure.rating,
        "shown": figure.shown,
        "parts_needed": figure.parts_needed,
    }


def _scores(scores: ScoreSpread) -> dict[str, Any]:
    return {
        "threshold": scores.threshold,
        "good": asdict(scores.good),
        "defective": asdict(scores.defective),
        "zone": None if scores.zone is None else asdict(scores.zone) | {"width": scores.zone.width},
        "flipping": [part.name for part in scores.flipping],
    }


def _parts(study: Study, scores: ScoreSpread) -> list[dict[str, Any]]:
    of_part = {part.name: part for part in scores.parts}
    return [_part(part, of_part[part.name]) for part in study.parts]


def _part(part: Part, scores: PartScores) -> dict[str, Any]:
    return {
        "name": part.name,
        "defective": part.defective,
        "mean_score": scores.mean,
        "deviation": scores.deviation,
        "margin_in_deviations": scores.deviations,
        "flips": scores.flips,
        "trials": [asdict(trial) for trial in part.trials],
    }
