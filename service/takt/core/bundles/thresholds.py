"""The thresholds in force: the bundle's own, unless others were set while serving.

With them goes the switch by which a picture that cannot be judged is undecided. What was set is
kept in `thresholds.json` beside the manifest; graph and manifest stay as they are.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.files import write_atomically
from takt.core.bundles.reading import surroundings
from takt.core.bundles.strict_model import StrictModel
from takt.core.domain import ThresholdKind
from takt.core.errors import BundleError

OVERRIDES = "thresholds.json"
MAX_REASON = 500

THRESHOLD_KINDS: tuple[ThresholdKind, ...] = ("image", "pixel")

logger = logging.getLogger("takt.thresholds")


class Override(StrictModel):
    """A threshold that was set instead of the bundle's."""

    value: float
    set_at: str
    """UTC, ISO 8601."""

    reason: str | None = Field(default=None, max_length=MAX_REASON)


class Switch(StrictModel):
    """Whether a picture that cannot be judged is undecided, as somebody has set it."""

    value: bool
    set_at: str
    """UTC, ISO 8601."""

    reason: str | None = Field(default=None, max_length=MAX_REASON)


class Overrides(StrictModel):
    """`thresholds.json`: what holds instead of the bundle's own thresholds, and the switch."""

    format_version: Literal[1] = 1
    image: Override | None = None
    pixel: Override | None = None
    undecided: Switch | None = None

    def without_thresholds(self) -> Overrides:
        """The switch alone, which stays where thresholds are found anew."""
        return Overrides(undecided=self.undecided)

    def json_bytes(self) -> bytes:
        """The content of the file; without the switch, as an older service knows it."""
        left_out = {"undecided"} if self.undecided is None else None
        return (self.model_dump_json(indent=2, exclude=left_out) + "\n").encode()


@dataclass(frozen=True, slots=True)
class ThresholdPair:
    """The thresholds in force at one moment.

    Attributes:
        image: a picture is anomalous if its score is greater.
        pixel: a map cell is anomalous if its value is greater, and its picture with it.
        undecided: whether a picture that cannot be judged is undecided, and not judged by them.
    """

    image: float
    pixel: float
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class ThresholdOrigin:
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
    """The effect of a change.

    Attributes:
        before: the thresholds until then.
        after: the thresholds from then on.
        kinds: the thresholds that were set or reset, including changes found in the file.
        persisted: whether the change survives a restart.
    """

    before: ThresholdPair
    after: ThresholdPair
    kinds: tuple[ThresholdKind, ...]
    persisted: bool


def read_overrides(
    folder: Path, repository: Path | None = None, *, unsigned: bool = True
) -> Overrides:
    """The overrides in a bundle's folder; empty where there is no file.

    Args:
        folder: of the bundle.
        repository: out of which no link may lead; the folder's own surroundings if None.
        unsigned: whether overrides are taken, which no signature covers.

    Raises:
        BundleError: the file cannot be understood, or nothing unsigned is taken. Ignoring it
            would give other verdicts than somebody has decided on.
    """
    remedy = "correct it, or delete it to go back to the bundle's own thresholds"
    within = surroundings(folder, repository)
    found = Overrides.read(folder / OVERRIDES, within, BundleError, remedy)
    if found is not None and not unsigned:
        raise BundleError(
            f"{folder / OVERRIDES} sets other thresholds than those that were signed, which this "
            "server does not take, as threshold_changes is off; delete it"
        )
    return found or Overrides()


def keep_switch(folder: Path, kept: Overrides) -> bool:
    """Goes back to a bundle's own thresholds; tells whether there were others.

    Whether a picture may be undecided stays as it was set.

    Args:
        folder: of the bundle.
        kept: the overrides in it.

    Raises:
        OSError: the folder cannot be written to.
    """
    if kept.undecided is None:
        return remove_overrides(folder)
    write_atomically(folder / OVERRIDES, kept.without_thresholds().json_bytes())
    return kept != kept.without_thresholds()


def remove_overrides(folder: Path) -> bool:
    """Removes all that was set; tells whether there was anything.

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


def in_force(bundle: Bundle, overrides: Overrides) -> ThresholdPair:
    """The overrides, and the bundle's own thresholds where there is none."""
    own = bundle.manifest.thresholds
    return ThresholdPair(
        image=own.image if overrides.image is None else overrides.image.value,
        pixel=own.pixel if overrides.pixel is None else overrides.pixel.value,
        undecided=own.undecided if overrides.undecided is None else overrides.undecided.value,
    )


class DeployedThresholds:
    """The thresholds of a version that is served, which may change meanwhile.

    A change is added to the file, which `takt calibrate` or another server may have changed. After
    a change that could not be written, the next one is added to memory instead.

    >>> import tempfile
    >>> from dataclasses import replace
    >>> from takt.core.bundles.bundle import load_bundle
    >>> bundle = load_bundle(Path("examples/models/pitting/1"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     thresholds = DeployedThresholds(replace(bundle, path=Path(folder)), Overrides())
    ...     change = thresholds.change(image=2.0, pixel=None, reason="new lamp")
    >>> change.kinds, change.persisted, thresholds.in_force.image
    (('image',), True, 2.0)

    Args:
        bundle: states its own thresholds.
        overrides: from the bundle's folder.
        unsigned: whether overrides are taken later, which no signature covers.
    """

    def __init__(self, bundle: Bundle, overrides: Overrides, *, unsigned: bool = True) -> None:
        self._bundle = bundle
        self._unsigned = unsigned
        self._overrides = overrides
        self._in_force = in_force(bundle, overrides)
        self._persisted = True
        self._lock = threading.Lock()

    @property
    def overrides(self) -> Overrides:
        """What holds instead of the bundle's own thresholds."""
        return self._overrides

    @property
    def kept(self) -> bool:
        """Whether the file states what is in force, as far as this process has seen."""
        return self._persisted

    @property
    def in_force(self) -> ThresholdPair:
        """Both thresholds at one moment, so that no picture is judged by half a change."""
        return self._in_force

    def origin(self, kind: ThresholdKind) -> ThresholdOrigin:
        """Where a threshold comes from."""
        override: Override | None = getattr(self._overrides, kind)
        if override is not None:
            return ThresholdOrigin("override", override.set_at, override.reason)
        manifest = self._bundle.manifest
        return ThresholdOrigin("bundle", manifest.thresholds.found_at or manifest.created_at, None)

    @property
    def promised_rate(self) -> float:
        """Share of good parts that both together may reject; 1 where nothing is promised.

        Somebody's own threshold promises nothing, even where the bundle's does, unless both are
        those of another rate that the self-test has priced.
        """
        manifest, current = self._bundle.manifest, self._in_force
        alpha = manifest.thresholds.alpha
        if alpha is None or not (self._overrides.image or self._overrides.pixel):
            return 1.0 if alpha is None else alpha
        prices = manifest.self_test and manifest.self_test.prices
        pair = current.image, current.pixel
        known = {(one.image, one.pixel): one.alpha for one in prices.at} if prices else {}
        return known.get(pair, 1.0)

    def change(
        self,
        *,
        image: float | None,
        pixel: float | None,
        reason: str | None,
        undecided: bool | None = None,
    ) -> ThresholdChange:
        """Sets thresholds or the switch; None leaves each as the file states it.

        Blocks until the file is written.

        Raises:
            BundleError: the file cannot be understood. It stays, as it may hold somebody's
                decision; `reset` removes it.
        """
        set_at = datetime.now(UTC).isoformat(timespec="seconds")
        given: dict[str, Override | Switch] = {
            kind: Override(value=value, set_at=set_at, reason=reason)
            for kind, value in (("image", image), ("pixel", pixel))
            if value is not None
        }
        if undecided is not None:
            given["undecided"] = Switch(value=undecided, set_at=set_at, reason=reason)
        with self._lock:
            # Under the lock, so that another change is added to and not undone.
            kept = self._read() if self._persisted else self._overrides
            overrides = kept.model_copy(update=given)
            return self._apply(
                overrides,
                lambda: write_atomically(self._bundle.path / OVERRIDES, overrides.json_bytes()),
                given,
            )

    def reset(self) -> ThresholdChange:
        """Goes back to the bundle's own thresholds. Blocks until the file is written or gone.

        Whether a picture may be undecided stays as it was set.
        """
        with self._lock:
            kept = self._overrides
            if self._persisted:
                # Another server may have set the switch; what nobody can read is removed.
                with contextlib.suppress(BundleError):
                    kept = self._read()
            left = kept.without_thresholds()
            return self._apply(left, lambda: keep_switch(self._bundle.path, left))

    def follow(self) -> ThresholdChange | None:
        """Takes over what another server has set, as the file states it; None if nothing changed.

        Blocks until the file is read. A change that could not be written stays, and so does all
        that was set in a folder that has gone.

        Raises:
            BundleError: the file cannot be understood.
        """
        with self._lock:
            if not self._persisted:
                return None
            kept = self._read()
            # Asked after it was read: a folder that is moved away takes its file with it.
            if kept == self._overrides or not self._bundle.path.is_dir():
                return None
            return self._apply(kept, lambda: None)

    def adopt(self, overrides: Overrides, *, kept: bool) -> None:
        """Judges by what another process has set. Blocks while the file is read or written.

        Args:
            overrides: that the other process has.
            kept: whether it could write them to the file.
        """
        with self._lock:
            self._overrides, self._persisted = overrides, kept
            self._in_force = in_force(self._bundle, overrides)

    def take_over(self, before: DeployedThresholds) -> None:
        """Continues the thresholds of a predecessor: by the file, or by what it could not write.

        Raises:
            BundleError: the file cannot be understood.
        """
        if before._persisted:
            self.follow()
            return
        self.adopt(before._overrides, kept=False)

    def _read(self) -> Overrides:
        bundle = self._bundle
        return read_overrides(bundle.path, bundle.repository, unsigned=self._unsigned)

    def _apply(
        self, overrides: Overrides, persist: Callable[[], object], given: Container[str] = ()
    ) -> ThresholdChange:
        """Has overrides in force from now on; those that are given count as set in any case."""
        before, former = self._in_force, self._overrides
        kinds = tuple(
            kind
            for kind in THRESHOLD_KINDS
            if kind in given or getattr(overrides, kind) != getattr(former, kind)
        )
        persisted = True
        try:
            persist()
        except OSError as error:
            persisted = False
            logger.warning(
                "a threshold is changed until the next start only, as %s cannot be kept: %s",
                self._bundle.path / OVERRIDES,
                error.strerror,
            )
        self._overrides, self._persisted = overrides, persisted
        self._in_force = in_force(self._bundle, overrides)
        return ThresholdChange(before, self._in_force, kinds, persisted)
