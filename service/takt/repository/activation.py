"""The decision which version of a model is active, kept in `<repository>/<name>/active.json`.

With the file, the version that it names is active at a start. Without it, the highest version is
of which no self-test says not to serve it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.files import write_atomically
from takt.core.bundles.findings import Finding
from takt.core.bundles.manifest import Manifest
from takt.core.bundles.reading import surroundings
from takt.core.bundles.strict_model import StrictModel
from takt.core.errors import BundleError, ConfigurationError

ACTIVE = "active.json"
MAX_REASON = 500

NO_VERSION = "unknown"
"""The version of a model that has none, and a decision that cannot be read."""

WAITING = "a later version came, and waits for its activation"
"""The reason of a decision that nobody made: the version that was active by itself stays so."""

TESTED_LATER = "it answered before its self-test said not to serve it"
"""The reason of a decision that nobody made: a bundle was changed while it answered."""

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
        before: answered until now; None if no version did.
        previous: the version that a rollback goes back to, if any.
        persisted: whether the decision survives a restart.
    """

    version: str
    before: str | None
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


def by_itself(versions: Sequence[Path]) -> str | None:
    """The version that is active where nobody has decided; None if all wait. Blocks.

    Args:
        versions: folders of a model's versions, the lowest first.
    """
    return next((one.name for one in reversed(versions) if grave_finding(one) is None), None)


def grave_finding(version: Path) -> Finding | None:
    """Why a version waits for its activation, as its manifest says; None if it need not. Blocks.

    What keeps the manifest from being read is told when the version is loaded.
    """
    within = surroundings(version, version.parent.parent)
    try:
        manifest = Manifest.read(version / MANIFEST, within, BundleError)
    except BundleError:
        return None
    return manifest.self_test.grave if manifest and manifest.self_test else None


def why_it_waits(model: str, version: str, finding: Finding) -> str:
    """Why no version of a model answers where a request names none, and what to do.

    Args:
        model: name of the model.
        version: that waits.
        finding: that says not to serve it.
    """
    path = f"/v1/models/{model}/versions/{version}"
    return (
        f"version {version} of model {model} waits for an activation, as its self-test says not to "
        f"serve it: {finding.text}; {finding.remedy}. `POST {path}/inspect` tries it, and `POST "
        f"{path}/activate` has it answer all the same"
    )


def not_there(version: str) -> str:
    """The reason why a version that was decided on cannot answer."""
    return (
        f"{ACTIVE} names version {version}, which is not there; put it back, activate another "
        "version, or remove the model's folder to serve it no more"
    )
