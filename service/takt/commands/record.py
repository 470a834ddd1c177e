"""Commands that read the record: how it is named, opened and, where it fails, spoken of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from takt.commands.errors import plain_errors
from takt.recording.record import Record, existing_record, record_options

OpenRecord = Callable[[], Record]
"""Opens the record, which is closed when the command ends.

Raises:
    ConfigurationError: there is none, or no such database is known.
"""


def reads_record(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--data-folder` and `--record`; the command gets what opens them as `open_record`.

    Errors of ours end it with what they say.
    """

    @wraps(command)
    def run(*args: Any, data: Path, record: str, **given: Any) -> None:
        command(*args, open_record=partial(existing_record, data, record), **given)

    return record_options(plain_errors(run))
