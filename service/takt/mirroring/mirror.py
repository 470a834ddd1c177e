"""A look at a URL: what is new there comes, what was changed comes anew, and what is gone goes."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from takt.core.bundles.bundle import MANIFEST
from takt.core.bundles.reading import RECORD_BYTES
from takt.core.bundles.signing.signature import TrustedKeys
from takt.core.errors import BundleError, ConfigurationError, TaktError, UnavailableError
from takt.core.naming import VERSIONS, is_version
from takt.mirroring.fetching import fetch_version
from takt.mirroring.folder import Fetched, MirrorFolder
from takt.mirroring.listing import Listing, list_store
from takt.mirroring.store import Store

_AGAIN_S = 10.0
_AGAIN_MOST_S = 300.0
"""A version that was refused is fetched again after a time that doubles up to this."""

_MOST_FAILURES = 3
"""Looks in a row that end with the same object; a store may fail for a moment."""

_UNREAD = ""
"""Stands for the digest of what could not be had."""

logger = logging.getLogger("takt.mirror")


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a mirror asks of those who know more of models than it does.

    Attributes:
        decision: name of the file in a model's folder that says which version is active.
        decided: the version that such a file's content names; raises ConfigurationError.
        is_active: whether a version, by model and version, answers where a request names none.
    """

    decision: str
    decided: Callable[[bytes], str]
    is_active: Callable[[str, str], bool]


@dataclass(slots=True)
class _Refusal:
    """A version that was not taken, and when to try again.

    Attributes:
        digest: of the manifest that it had.
        reason: why.
        wait_s: time until the next attempt.
        at_s: when that is.
    """

    digest: str
    reason: str
    wait_s: float
    at_s: float


@dataclass(slots=True)
class _Look:
    """What one look has found.

    Attributes:
        fetched: what came from the URL until now.
        there: model/version of those that have a manifest there.
        has_changed: whether something in the folder did.
        refused: why, by model/version, or by model for a decision.
    """

    fetched: Fetched
    there: set[str] = field(default_factory=set)
    has_changed: bool = False
    refused: dict[str, str] = field(default_factory=dict)


class Mirror:
    """A folder that is made equal to what is at a URL; used by one thread.

    Args:
        store: is at the URL.
        folder: is made equal to it.
        keys: one of them must have signed a version.
        rules: of models.
        clock: gives seconds that never go back.

    Attributes:
        refused: by model/version: why it was not taken at the last look.
    """

    def __init__(
        self,
        store: Store,
        folder: MirrorFolder,
        keys: TrustedKeys | None,
        rules: ModelRules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: dict[str, str] = {}
        self._store = store
        self._folder = folder
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._refusals: dict[str, _Refusal] = {}
        # By model/version, or by model for a decision: looks that could not have it.
        self._failures: dict[str, int] = {}
        self._missing: set[str] = set()

    def look(self) -> bool | None:
        """Makes the folder equal to the URL; tells whether that has changed it.

        None if another server that has the same folder does so at this moment.

        Raises:
            UnavailableError, BundleError: the store does not answer, has nothing, or has what
                cannot be listed or, so far, not be had; what is in the folder stays.
            ConfigurationError: the folder cannot be written, or the keys cannot be read.
        """
        listing = list_store(self._store)
        with self._folder.locked() as is_ours:
            if not is_ours:
                return None
            look = _Look(self._folder.fetched())
            for name in _names(listing):
                self._unless_it_fails(name, look, self._look_at)
            if not look.there:
                raise UnavailableError(
                    f"{self._store.shown()} has no bundle <model>/<version>/manifest.json"
                )
            for model in listing:
                self._unless_it_fails(model, look, self._follow_decision)
            self._remove_missing(listing, look)
            self._tell(look)
            return look.has_changed

    def _unless_it_fails(self, name: str, look: _Look, take: Callable[[str, _Look], None]) -> None:
        """Takes one object; one that cannot be had for good keeps no other from coming.

        Raises:
            UnavailableError: the store does not answer, or cannot give this object for now.
        """
        former = self._refusals.get(name)
        if former is not None and former.digest != _UNREAD:
            former = None
        if former is None or self._clock() >= former.at_s:
            try:
                take(name, look)
            except UnavailableError as error:
                # Raises where it is the store that is away.
                list_store(self._store)
                self._failures[name] = self._failures.get(name, 0) + 1
                if self._failures[name] < _MOST_FAILURES:
                    raise
                former = self._refuse(name, _UNREAD, str(error), former)
            else:
                self._failures.pop(name, None)
                if self._refusals.get(name) is former:
                    self._refusals.pop(name, None)
                return
        look.there.add(name)
        look.refused[name] = former.reason

    def _refuse(self, name: str, digest: str, reason: str, former: _Refusal | None) -> _Refusal:
        """Puts off what cannot be taken, for longer each time."""
        wait_s = min(2 * former.wait_s, _AGAIN_MOST_S) if former else _AGAIN_S
        refusal = self._refusals[name] = _Refusal(digest, reason, wait_s, self._clock() + wait_s)
        return refusal

    def _look_at(self, name: str, look: _Look) -> None:
        reason: str | None
        try:
            content = self._store.read(name, MANIFEST, most_bytes=RECORD_BYTES)
        except FileNotFoundError:
            return
        except PermissionError:
            reason = f"{self._store.shown(name)} may not be read"
        except BundleError as error:
            reason = str(error)
        else:
            reason = self._take(name, content, look)
        look.there.add(name)
        if reason is not None:
            look.refused[name] = reason

    def _take(self, name: str, content: bytes, look: _Look) -> str | None:
        """Fetch a version with such a manifest, if it is not here; why it is not taken, if so."""
        version = name.partition("/")[2]
        if not is_version(version):
            return f"{version!r} is no version: {VERSIONS}"
        digest = hashlib.sha256(content).hexdigest()
        here, came = self._folder.manifest_digest(name), look.fetched.versions.get(name)
        if here is not None and came == digest:
            self._refusals.pop(name, None)
            return None
        if here == digest:
            self._remember(look, name, digest)
            return None
        if here is not None and came is None:
            return (
                f"{self._folder.path / name} was made here, and another version {version} is at "
                f"{self._store.shown(name)}; upload it by another name, or remove the one that is "
                "here"
            )
        former = self._refusals.get(name)
        if former is not None and former.digest != digest:
            former = None
        if former is not None and self._clock() < former.at_s:
            return former.reason
        # Should the process end on the way, the version is known to be the URL's.
        self._remember(look, name, "")
        try:
            fetch_version(self._store, name, content, self._folder, self._keys, here)
        except TaktError as error:
            # What is made here by that name from now on is not the URL's.
            self._remember(look, name, None if here is None else came)
            if not isinstance(error, BundleError | ConfigurationError):
                raise
            return self._refuse(name, digest, str(error), former).reason
        self._refusals.pop(name, None)
        self._remember(look, name, digest)
        look.has_changed = True
        logger.info("%s is fetched", self._store.shown(name))
        return None

    def _remember(self, look: _Look, name: str, digest: str | None) -> None:
        """Keep what a version is known by; None forgets it."""
        versions = {one: of for one, of in look.fetched.versions.items() if one != name}
        if digest is not None:
            versions[name] = digest
        look.fetched = look.fetched.model_copy(update={"versions": versions})
        self._folder.remember(look.fetched)

    def _follow_decision(self, model: str, look: _Look) -> None:
        """Takes a decision that has changed, once the version is here that it names."""
        file = self._rules.decision
        try:
            content = self._store.read(model, file, most_bytes=RECORD_BYTES)
            digest = hashlib.sha256(content).hexdigest()
            if look.fetched.decisions.get(model) == digest:
                return
            version = self._rules.decided(content)
        except (FileNotFoundError, PermissionError):
            return
        except (BundleError, ConfigurationError) as error:
            look.refused[model] = f"{self._store.shown(model, file)} is not taken: {error}"
            return
        if self._folder.manifest_digest(f"{model}/{version}") is None:
            look.refused[model] = (
                f"{self._store.shown(model, file)} names version {version}, which is not here (yet)"
            )
            return
        self._folder.write_decision(self._folder.path / model / file, content)
        decisions = {**look.fetched.decisions, model: digest}
        look.fetched = look.fetched.model_copy(update={"decisions": decisions})
        self._folder.remember(look.fetched)
        look.has_changed = True

    def _remove_missing(self, listing: Listing, look: _Look) -> None:
        """Removes versions that came from the URL and are gone there, at two looks in a row."""
        missing = {
            name
            for name in look.fetched.versions.keys() - look.there
            # Of a model whose folder may not be read nothing is known.
            if listing.get(name.partition("/")[0], ()) is not None
        }
        for name in sorted(missing & self._missing):
            model, _, version = name.partition("/")
            if self._rules.is_active(model, version):
                look.refused[name] = (
                    f"{self._store.shown(name)} is gone, but this is the active version: it stays "
                    "until another one is activated"
                )
                continue
            self._folder.remove(name)
            self._remember(look, name, None)
            missing.discard(name)
            look.has_changed = True
            logger.info("%s is gone, and its copy is removed", self._store.shown(name))
        self._missing = missing

    def _tell(self, look: _Look) -> None:
        """Logs once why something is not taken."""
        for name, reason in look.refused.items():
            if self.refused.get(name) != reason:
                logger.warning("%s is not taken: %s", name, reason)
        self._refusals = {name: of for name, of in self._refusals.items() if name in look.there}
        self._failures = {name: of for name, of in self._failures.items() if name in look.there}
        self.refused = dict(look.refused)


def _names(listing: Listing) -> Iterator[str]:
    for model, versions in listing.items():
        for version in versions or ():
            yield f"{model}/{version}"
