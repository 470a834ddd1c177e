"""Keeps the chosen candidate in the bundle, where the service looks for it on such hosts."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from takt.commands.tune.results import MeasuredCandidate
from takt.core.bundles.host_profile import PROFILES, HostProfile, write_profile
from takt.core.distribution import package_versions
from takt.core.errors import ConfigurationError

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt-cu13", "numpy")
"""Packages that decide the speed of an engine."""


def check_writable(path: Path) -> None:
    """Checks that a profile can be written, before minutes are spent on the tuning.

    Args:
        path: folder of the bundle.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def keep(path: Path, profile: HostProfile) -> None:
    """Writes the profile in place of an older one for the same host.

    Raises:
        ConfigurationError: the folder cannot be written to.
        BundleError: the profiles in the bundle cannot be read.
    """
    try:
        write_profile(path, profile)
    except OSError as error:
        raise _unwritable(path, error) from None


def profile_of(best: MeasuredCandidate, host: str, target_ms: float | None) -> HostProfile:
    """Profile that the bundle keeps of the best candidate."""
    candidate = best.candidate
    return HostProfile(
        host=host,
        engine=candidate.engine,
        engine_instances=candidate.instances,
        engine_threads=candidate.threads,
        max_batch_size=candidate.max_batch_size,
        images_per_s=best.images_per_s,
        p99_ms=best.p99_ms,
        target_ms=target_ms,
        tuned_with=package_versions(*PACKAGES),
        tuned_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path / PROFILES} cannot be written: {error.strerror}; run with --dry-run and give the "
        "service what comes out as settings, or make the folder writable"
    )
