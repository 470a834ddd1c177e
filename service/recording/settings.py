"""What may be set of the record."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from service.declaration import under
from service.recording import defaults

_kept = under("Record")


class RecordSettings(BaseModel):
    """The record."""

    data_folder: Path = _kept(defaults.DEFAULT_DATA, defaults.DATA_HELP)
    record: str = _kept(defaults.DEFAULT_RECORD, defaults.RECORD_HELP, min_length=1)
    keep: str = _kept(defaults.DEFAULT_KEEP, defaults.KEEP_HELP)
    retain: str = _kept(defaults.DEFAULT_RETAIN, defaults.RETAIN_HELP)
