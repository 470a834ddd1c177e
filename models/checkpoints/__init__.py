"""Checkpoints of Takt and of the public code bases: recognised and loaded, never run."""

from models.checkpoints.description import Description, describe
from models.checkpoints.errors import CheckpointError, UnsafeCheckpointError, UnsetStatisticsError
from models.checkpoints.facts import Centre, Checkpoint, Filter, InputRecipe, TrainedThresholds
from models.checkpoints.formats import grouped, load_checkpoint
from models.checkpoints.nelson import measure_missing
from models.checkpoints.own import (
    FitFacts,
    load_teacher,
    picture_digest,
    save_checkpoint,
    save_teacher,
)

__all__ = [
    "Centre",
    "Checkpoint",
    "CheckpointError",
    "Description",
    "Filter",
    "FitFacts",
    "InputRecipe",
    "TrainedThresholds",
    "UnsafeCheckpointError",
    "UnsetStatisticsError",
    "describe",
    "grouped",
    "load_checkpoint",
    "load_teacher",
    "measure_missing",
    "picture_digest",
    "save_checkpoint",
    "save_teacher",
]
