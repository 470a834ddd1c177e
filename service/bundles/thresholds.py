"""The thresholds in force: the bundle's own, unless somebody set others at the line.

Those are kept in `thresholds.json` beside the manifest; graph and manifest stay as they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.bundles.bundle import Bundle
from service.bundles.files import write_atomically
from service.domain import ThresholdKind
from service.errors import BundleError, validation_message

OVERRIDES = "thresholds.json"
MAX_REASON = 500

THRESHOLD_KINDS: tuple[ThresholdKind, ...] = ("image", "pixel")

logger = logging.getLogger("takt.thresholds")


class Override(BaseModel):
    """A threshold that somebody set instead of the bundle's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    set_at: str = Field(description="UTC, ISO 8601.")
    reason: str | None = Field(default=None, max_length=MAX_REASON)


class Overrides(BaseModel):
    """`thresholds.json`: what is in force instead of the bundle's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    image: Override | None = None
    pixel: Override | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """From which values on a picture or a pixel counts as anomalous, at one moment.

    Attributes:
        image: a picture is anomalous if its score is greater.
        pixel: a map cell is anomalous if its value is greater.
    """

    image: float
    pixel: float


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a threshold in force comes from.

    Attributes:
        source: the bundle, or an override.
        since: UTC, ISO 8601.
        reason: that was given with the override, if any.
    """

    source: Literal["bundle", "override"]
    since: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ThresholdChange:
    """What a change did.

    Attributes:
        before: the thresholds until then.
        after: those from then on.
        kinds: the thresholds that were set or given back, also by others, through the file.
        persisted: whether it survives a restart.
    """

    before: InForce
    after: InForce
    kinds: tuple[ThresholdKind, ...]
    persisted: bool


def read_overrides(folder: Path) -> Overrides:
    """Those of a bundle's folder; none where the file is absent.

    Raises:
        BundleError: the file cannot be understood. It is not passed over, as the verdicts would
            be others than somebody had decided.
    """
    file = folder / OVERRIDES
    try:
        return Overrides.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return Overrides()
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        why = validation_message(error, "the file")
        raise BundleError(
            f"{file}: {why}; correct it, or delete it to go back to the bundle's own thresholds"
        ) from None


def remove_overrides(folder: Path) -> bool:
    """Go back to a bundle's own thresholds; tells whether there were others.

    Raises:
        OSError: the folder cannot be written to.
    """
    file = folder / OVERRIDES
    try:
        # Asked first, as a read-only file system refuses to remove even what is not there.
        file.lstat()
        file.unlink()
    except FileNotFoundError:
        return False
    return True


def in_force(bundle: Bundle, overrides: Overrides) -> InForce:
    """A bundle's own thresholds, where nothing overrides them."""
    own = bundle.manifest.thresholds
    return InForce(
        image=own.image if overrides.image is None else overrides.image.value,
        pixel=own.pixel if overrides.pixel is None else overrides.pixel.value,
    )


class DeployedThresholds:
    """The thresholds of a model that is served; they may change while it is.

    A change adds to the file, which `takt calibrate` or another server may have changed since; only
    what could not be written there is added to from memory.

    Args:
        bundle: has its own.
        overrides: what stands beside it at the start.
    """

    def __init__(self, bundle: Bundle, overrides: Overrides) -> None:
        self._bundle = bundle
        self._overrides = overrides
        self._in_force = in_force(bundle, overrides)
        self._persisted = True
        self._lock = threading.Lock()

    @property
    def in_force(self) -> InForce:
        """Both at one moment, so that no picture is judged by half a change."""
        return self._in_force

    def origin(self, kind: ThresholdKind) -> Origin:
        """Where one of them comes from."""
        override: Override | None = getattr(self._overrides, kind)
        if override is not None:
            return Origin("override", override.set_at, override.reason)
        manifest = self._bundle.manifest
        return Origin("bundle", manifest.thresholds.found_at or manifest.created_at, None)

    def change(
        self, *, image: float | None, pixel: float | None, reason: str | None
    ) -> ThresholdChange:
        """Set one or both; None leaves a threshold as the file has it.

        Blocks until the file is written.

        Raises:
            BundleError: the file cannot be understood. Nothing is changed, as it may hold what
                somebody had decided; `reset` removes it.
        """
        set_at = datetime.now(UTC).isoformat(timespec="seconds")
        asked: dict[ThresholdKind, float | None] = {"image": image, "pixel": pixel}
        given = {kind: value for kind, value in asked.items() if value is not None}
        new: dict[str, Override] = {
            kind: Override(value=value, set_at=set_at, reason=reason)
            for kind, value in given.items()
        }
        with self._lock:
            # Under the lock, so that another change is added to and not undone.
            kept = read_overrides(self._bundle.path) if self._persisted else self._overrides
            overrides = kept.model_copy(update=new)
            kinds = tuple(
                kind for kind in THRESHOLD_KINDS if kind in given or self._differs(kept, kind)
            )
            return self._apply(overrides, kinds, lambda: self._write(overrides))

    def reset(self) -> ThresholdChange:
        """Go back to the bundle's own. Blocks until the file is gone."""
        with self._lock:
            kinds = tuple(
                kind for kind in THRESHOLD_KINDS if getattr(self._overrides, kind) is not None
            )
            return self._apply(Overrides(), kinds, lambda: remove_overrides(self._bundle.path))

    def follow(self) -> ThresholdChange | None:
        """Take over what another server has set, as the file now says; None if it says the same.

        Blocks until the file is read. What could not be written there stays, whatever it says.

        Raises:
            BundleError: the file cannot be understood.
        """
        with self._lock:
            if not self._persisted:
                return None
            kept = read_overrides(self._bundle.path)
            kinds = tuple(kind for kind in THRESHOLD_KINDS if self._differs(kept, kind))
            return self._apply(kept, kinds, lambda: None) if kinds else None

    def take_over(self, before: DeployedThresholds) -> None:
        """Judge as another did, whose place this takes: by the file, or what could not be kept.

        Raises:
            BundleError: the file cannot be understood.
        """
        if before._persisted:
            self.follow()
            return
        with self._lock:
            self._overrides, self._persisted = before._overrides, False
            self._in_force = in_force(self._bundle, self._overrides)

    def _differs(self, kept: Overrides, kind: ThresholdKind) -> bool:
        return bool(getattr(kept, kind) != getattr(self._overrides, kind))

    def _apply(
        self, overrides: Overrides, kinds: tuple[ThresholdKind, ...], persist: Callable[[], object]
    ) -> ThresholdChange:
        before = self._in_force
        try:
            persist()
            persisted = True
        except OSError as error:
            persisted = False
            logger.warning(
                "a threshold is changed until the next start only, as %s cannot be kept: %s",
                self._bundle.path / OVERRIDES,
                error.strerror,
            )
        self._overrides = overrides
        self._persisted = persisted
        self._in_force = in_force(self._bundle, overrides)
        return ThresholdChange(before, self._in_force, kinds, persisted)

    def _write(self, overrides: Overrides) -> None:
        text = overrides.model_dump_json(indent=2) + "\n"
        write_atomically(self._bundle.path / OVERRIDES, text.encode())
