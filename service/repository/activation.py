"""Which version of a model is the active one, kept in `<repository>/<name>/active.json`.

Without the file the highest version is; with it the one that it names, whatever else comes.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.bundles.files import write_atomically
from service.errors import ConfigurationError, validation_message

ACTIVE = "active.json"
MAX_REASON = 500

logger = logging.getLogger("takt.repository")


class Activation(BaseModel):
    """`active.json`: what somebody decided, and what a rollback goes back to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    active: str = Field(min_length=1)
    previous: str | None = None
    activated_at: str = Field(description="UTC, ISO 8601.")
    reason: str | None = Field(default=None, max_length=MAX_REASON)


def decide(active: str, previous: str | None, reason: str | None) -> Activation:
    """A decision of this moment."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Activation(active=active, previous=previous, activated_at=now, reason=reason)


def read_activation(folder: Path) -> Activation | None:
    """That of a model's folder; None where nobody has decided anything.

    Raises:
        ConfigurationError: the file cannot be understood. It is not passed over, as another
            version might be served than somebody had decided.
    """
    file = folder / ACTIVE
    try:
        return Activation.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        why = validation_message(error, "the file")
        raise ConfigurationError(
            f"{file}: {why}; correct it, or delete it to serve the highest version"
        ) from None


def keep_activation(folder: Path, activation: Activation) -> bool:
    """Write the file; tells whether the decision survives a restart."""
    text = activation.model_dump_json(indent=2) + "\n"
    try:
        write_atomically(folder / ACTIVE, text.encode())
    except OSError as error:
        logger.warning(
            "version %s is active until the next start only, as %s cannot be kept: %s",
            activation.active,
            folder / ACTIVE,
            error.strerror,
        )
        return False
    return True
