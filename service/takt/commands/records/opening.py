"""Opens a kept picture in the viewer of this machine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from takt.recording.record import Record
    from takt.recording.search.stored import StoredInspection


def open_picture(record: Record, inspection: StoredInspection) -> None:
    """Open an inspection's picture; say its path where there is no screen.

    Raises:
        InspectionNotFoundError: its picture is not kept.
    """
    from takt.core.errors import InspectionNotFoundError
    from takt.recording.search.pictures import picture_key_of

    path = record.pictures.folder / picture_key_of(inspection).path
    if not path.is_file():
        raise InspectionNotFoundError(
            f"the picture of inspection {inspection.id} is not in {record.pictures.folder} any "
            "more; retention or somebody removed it"
        )
    click.echo(str(path), err=_has_screen())
    if _has_screen() and click.launch(str(path)) != 0:
        click.echo("this machine has no viewer that opens it", err=True)


def _has_screen() -> bool:
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
