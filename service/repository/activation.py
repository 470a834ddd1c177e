"""The decision which version of a model is active, kept in `<repository>/<name>/active.json`.

At a start the highest version is active without the file; with the file, the version that it names.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from service.bundles.files import write_atomically
from service.bundles.strict_model import StrictModel
from service.errors import ConfigurationError

ACTIVE = "active.json"
MAX_REASON = 500

NO_VERSION = "unknown"
"""The version of a model that has none, and a decision that cannot be read."""

WAITING = "a later version came, and waits for its activation"
"""The reason of a decision that nobody made: the version that was active by itself stays so."""

FIRST = "the first version of its model"
"""The reason why a version is active by itself."""

UNDECIDED = "active.json is gone: the highest version that is ready"
"""The reason why another version is active, where a decision was taken back."""

logger = logging.getLogger("takt.repository")


class Activation(StrictModel):
    """`active.json`: the active version, and the one that a rollback goes back to."""

    format_version: Literal[1] = 1
    active: str = Field(pattern=r"^[^./\x00][^/\x00]*$")
    """The name of a folder beside the file, which is not hidden."""

    previous: str | None = None
    activated_at: str
    """UTC, ISO 8601."""

    reason: str | None = Field(default=None, max_length=MAX_REASON)

    @classmethod
    def now(cls, active: str, previous: str | None, reason: str | None) -> Self:
        """A decision of this moment."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(active=active, previous=previous, activated_at=at, reason=reason)


@dataclass(frozen=True, slots=True)
class Activated:
    """The effect of an activation.

    Attributes:
        version: answers from now on where a request names none.
        before: answered until now.
        previous: the version that a rollback goes back to, if any.
        persisted: whether the decision survives a restart.
    """

    version: str
    before: str
    previous: str | None
    persisted: bool


def read_activation(folder: Path) -> Activation | None:
    """The decision in a model's folder; None without a file.

    Raises:
        ConfigurationError: the file cannot be understood. Ignoring it might serve another version
            than somebody has decided on.
    """
    remedy = "correct it, or delete it to serve the highest version"
    within = (Path(os.path.realpath(folder.parent)),)
    return Activation.read(folder / ACTIVE, within, ConfigurationError, remedy)


def keep_activation(folder: Path, activation: Activation) -> bool:
    """Writes the file; tells whether the decision survives a restart."""
    try:
        write_atomically(folder / ACTIVE, activation.json_bytes())
    except OSError as error:
        logger.warning(
            "version %s is active until the next start only, as %s cannot be kept: %s",
            activation.active,
            folder / ACTIVE,
            error.strerror,
        )
        return False
    return True


def not_there(version: str) -> str:
    """The reason why a version that was decided on cannot answer."""
    return (
        f"{ACTIVE} names version {version}, which is not there; put it back, activate another "
        "version, or remove the model's folder to serve it no more"
    )
