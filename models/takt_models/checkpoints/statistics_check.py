"""The check that an EfficientAD's statistics were measured."""

from __future__ import annotations

from pathlib import Path

from takt_models.checkpoints.errors import UnsetStatisticsError
from takt_models.efficientad.detector import EfficientAd


def check_statistics(model: EfficientAd, path: Path, remedy: str) -> None:
    """Refuses a model whose statistics were never set, or scale by 0.

    Args:
        model: detector with finite buffers.
        path: path of its file, for messages.
        remedy: remedy, for messages.

    Raises:
        UnsetStatisticsError: the teacher's statistics or the quantiles of the maps are not set.
    """
    mean, std = model.teacher_mean, model.teacher_std
    if not bool((std > 0).all()) or (bool((mean == 0).all()) and bool((std == 1).all())):
        raise UnsetStatisticsError(
            f"{path} has no teacher statistics (they were never set): {remedy}"
        )
    qa_st, qb_st, qa_ae, qb_ae = model.quantiles.tolist()
    if not (qa_st < qb_st and qa_ae < qb_ae) or model.quantiles.tolist() == [0, 1, 0, 1]:
        raise UnsetStatisticsError(
            f"{path} has no quantiles of its maps (they were never set): {remedy}"
        )
