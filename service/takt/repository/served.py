"""What is served of a version, and what became of its thresholds, as the audit log has it."""

from __future__ import annotations

from dataclasses import asdict

from takt.core.bundles.thresholds import THRESHOLD_KINDS, ThresholdChange
from takt.recording.audit.entry import FILE, Change
from takt.recording.audit.served import ServedVersion
from takt.repository.model_version import ModelVersion


def served_of(version: ModelVersion) -> ServedVersion:
    """A version as it is served by now."""
    digest = version.bundle.digest if version.bundle is not None else ""
    thresholds = version.thresholds
    if thresholds is None:
        return ServedVersion(digest)
    pair = thresholds.in_force
    reasons = [thresholds.origin(kind).reason for kind in THRESHOLD_KINDS]
    if (switch := thresholds.overrides.undecided) is not None:
        reasons.append(switch.reason)
    reason = next((one for one in reasons if one), None)
    return ServedVersion(digest, pair.image, pair.pixel, reason, pair.undecided)


def followed(version: ModelVersion, change: ThresholdChange) -> Change:
    """The entry of thresholds that the file beside a bundle states."""
    old, new = (asdict(one) for one in (change.before, change.after))
    reason = served_of(version).reason
    return Change(FILE, "threshold_changed", version.name, version.version, old, new, reason)
