"""A mirror of a folder, which stands for a store, with a clock that a test moves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from takt.core.bundles.signing.signature import TrustedKeys
from takt.mirroring.folder import MirrorFolder
from takt.mirroring.location import parse_location
from takt.mirroring.mirror import Mirror, ModelRules
from takt.mirroring.store import Store, open_store


@dataclass
class Mirrored:
    """A mirror, and what a test moves.

    Attributes:
        there: the folder that stands for the store.
        here: the mirror's folder.
        active: model/version of those that are active.
        now_s: on the mirror's clock.
    """

    mirror: Mirror
    store: Store
    there: Path
    here: Path
    active: set[str] = field(default_factory=set)
    now_s: float = 0.0

    @property
    def versions(self) -> list[str]:
        """Those that a server would find."""
        found = self.here.glob("*/*/manifest.json")
        return sorted(path.parent.relative_to(self.here).as_posix() for path in found)

    def decide(self, place: Path, version: str, model: str = "parts") -> None:
        decision = {"active": version, "activated_at": "2026-01-01T00:00:00+00:00"}
        (place / model / "active.json").write_text(json.dumps(decision))

    def decided(self, model: str = "parts") -> str:
        return str(json.loads((self.here / model / "active.json").read_text())["active"])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "data" / "mirror" / "here"


@pytest.fixture
def mirrored(repository: Path, here: Path) -> Callable[..., Mirrored]:
    def make(keys: Path | None = None) -> Mirrored:
        store = open_store(parse_location(repository.as_uri()), threading.Event())
        trusted = TrustedKeys(keys) if keys else None

        def is_active(model: str, version: str) -> bool:
            return f"{model}/{version}" in found.active

        def decided(content: bytes) -> str:
            return str(json.loads(content)["active"])

        rules = ModelRules("active.json", decided, is_active)
        mirror = Mirror(store, MirrorFolder(here), trusted, rules, lambda: found.now_s)
        found = Mirrored(mirror, store, repository, here)
        return found

    return make


@pytest.fixture
def found(mirrored: Callable[..., Mirrored], make_bundle) -> Mirrored:
    """A mirror of versions 1 and 2, which has not looked yet."""
    make_bundle()
    make_bundle(version="2", scale=0.8, trained=0.8)
    return mirrored()
