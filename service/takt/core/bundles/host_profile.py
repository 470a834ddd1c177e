"""`host.json` of a bundle: the layout that `takt tune` measured as the best, for each host."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from takt.core.bundles.files import alone_in, write_atomically
from takt.core.bundles.reading import surroundings
from takt.core.bundles.strict_model import StrictModel
from takt.core.errors import BundleError

PROFILES = "host.json"


class HostProfile(StrictModel):
    """The best way to run a bundle on one host.

    The manifest does not list the file: a copy of the bundle without it is the same bundle.
    """

    host: str
    """Name of the host, from `takt.core.host.host_name`."""

    engine: str
    """Value of the setting `engine`."""

    engine_instances: int = Field(ge=1)
    engine_threads: int = Field(ge=1)
    max_batch_size: int = Field(ge=1)

    images_per_s: float = Field(gt=0)
    """Measured pictures a second."""

    p99_ms: float = Field(gt=0)
    """Measured latency, with as many pictures at once as run at once."""

    target_ms: float | None = Field(default=None, gt=0)
    """Bound that the p99 was to keep."""

    tuned_with: dict[str, str]
    """Packages and their versions."""

    tuned_at: str
    """UTC, ISO 8601."""


class _Profiles(StrictModel):
    profiles: tuple[HostProfile, ...] = ()


def read_profile(path: Path, host: str, repository: Path | None = None) -> HostProfile | None:
    """A bundle's profile for a host; None if it was not tuned there.

    Args:
        path: of the bundle.
        host: name of the host.
        repository: out of which no link may lead; the bundle's own surroundings if None.

    Raises:
        BundleError: the file cannot be read.
    """
    profiles = _read(path, repository).profiles
    return next((one for one in profiles if one.host == host), None)


def write_profile(path: Path, profile: HostProfile) -> None:
    """Adds a profile to the file, in place of an earlier one of the same host.

    Raises:
        BundleError: the existing file cannot be read.
        OSError: the folder cannot be written to.
    """
    with alone_in(path):
        others = tuple(one for one in _read(path).profiles if one.host != profile.host)
        write_atomically(path / PROFILES, _Profiles(profiles=(*others, profile)).json_bytes())


def _read(path: Path, repository: Path | None = None) -> _Profiles:
    within = surroundings(path, repository)
    remedy = "delete it and run `takt tune` again"
    return _Profiles.read(path / PROFILES, within, BundleError, remedy) or _Profiles()
