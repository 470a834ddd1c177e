"""`host.json`: what `takt tune` found best for a bundle, on each host where it was asked."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from service.bundles.files import write_atomically
from service.bundles.strict_model import StrictModel
from service.errors import BundleError

PROFILES = "host.json"


class HostProfile(StrictModel):
    """The best way to run a bundle on one host.

    The file is no part of what was exported: the manifest does not list it, and a copy of the
    bundle without it is the same bundle.
    """

    host: str = Field(description="See `service.host`.")
    engine: str = Field(description="As the setting `engine` takes it.")
    engine_instances: int = Field(ge=1)
    engine_threads: int = Field(ge=1)
    max_batch_size: int = Field(ge=1)
    images_per_s: float = Field(gt=0, description="As it was measured.")
    p99_ms: float = Field(gt=0, description="Likewise, of a picture among as many as may run.")
    target_ms: float | None = Field(None, gt=0, description="That p99 was to keep.")
    tuned_with: dict[str, str] = Field(description="Packages and their versions.")
    tuned_at: str = Field(description="UTC, ISO 8601.")


class _Profiles(StrictModel):
    profiles: tuple[HostProfile, ...] = ()


def read_profile(path: Path, host: str) -> HostProfile | None:
    """What was found for a bundle on this host; None where nobody asked.

    Args:
        path: of the bundle.
        host: its name.

    Raises:
        BundleError: the file is there, but cannot be read.
    """
    for profile in _read(path).profiles:
        if profile.host == host:
            return profile
    return None


def write_profile(path: Path, profile: HostProfile) -> None:
    """Keep what was found, in place of what was found before on the same host.

    Raises:
        BundleError: the file that is there cannot be read.
        OSError: the folder cannot be written to.
    """
    others = tuple(one for one in _read(path).profiles if one.host != profile.host)
    text = _Profiles(profiles=(*others, profile)).model_dump_json(indent=2) + "\n"
    write_atomically(path / PROFILES, text.encode())


def _read(path: Path) -> _Profiles:
    file = path / PROFILES
    try:
        return _Profiles.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return _Profiles()
    except (OSError, ValidationError) as error:
        raise BundleError(
            f"{file} cannot be read ({type(error).__name__}); delete it and run `takt tune` again"
        ) from None
