"""Thresholds that people have set, and the switch, which a next version does not take over."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.thresholds import (
    THRESHOLD_KINDS,
    Override,
    Overrides,
    in_force,
    read_overrides,
)
from takt.core.domain import ThresholdKind
from takt.core.errors import BundleError
from takt_export.learning.place import Place

_NAMES: dict[ThresholdKind, str] = {"image": "score", "pixel": "map"}


def tell_of_set_by_hand(place: Place, new: Bundle, url: str, tell: Callable[[str], None]) -> None:
    """Warns of thresholds that people have set for the version before, which has no say in the new.

    Args:
        place: of the new version.
        new: the new version, which has its own thresholds.
        url: of the server that serves the model.
        tell: hears of it.
    """
    if place.base is None:
        return
    try:
        found = read_overrides(place.repository / place.model / place.base, place.repository)
    except BundleError as error:
        tell(f"warning: what people have set in version {place.base} cannot be told: {error}")
        return
    for text in (_warning(place, found, new, url), _switched(place, found, new, url)):
        if text is not None:
            tell(f"warning: {text}")


def _warning(place: Place, found: Overrides, new: Bundle, url: str) -> str | None:
    """What is not carried over, and below it the line that sets it for the new version."""
    given = {kind: one for kind in THRESHOLD_KINDS if (one := _of(found, kind)) is not None}
    if not given:
        return None
    own = new.manifest.thresholds
    lost = "; ".join(
        f"the {_NAMES[kind]} threshold {one.value:.6g}, set by hand at {one.set_at} "
        f"({one.reason or 'no reason was given'}); version {place.version} has its own, "
        f"{getattr(own, kind):.6g}"
        for kind, one in given.items()
    )
    body = {kind: one.value for kind, one in given.items()}
    reasons = dict.fromkeys(one.reason for one in given.values() if one.reason)
    asked = json.dumps(body | ({"reason": next(iter(reasons))} if reasons else {}))
    return (
        f"version {place.base} judges by what is NOT carried over: {lost}. The audit log has who "
        "set it. Scores of two versions differ: compare them before the same value is set again, by"
        f"\ncurl -s -X PUT {url}/v1/models/{place.model}/versions/{place.version}/threshold "
        f"-d {shlex.quote(asked)}"
    )


def _switched(place: Place, found: Overrides, new: Bundle, url: str) -> str | None:
    """What the new version does otherwise with what cannot be judged, and the line that sets it."""
    switch = found.undecided
    if switch is None or in_force(new, read_overrides(new.path)).undecided == switch.value:
        return None
    before, now = "makes no decision on pictures that cannot be judged", "judges every picture"
    if not switch.value:
        before, now = now, before
    return (
        f"version {place.base} {before}, as somebody has set it, which is NOT carried over: "
        f"version {place.version} {now}. Set it again by\ncurl -s -X "
        f"PUT {url}/v1/models/{place.model}/versions/{place.version}/threshold "
        f"-d '{json.dumps({'undecided': switch.value})}'"
    )


def _of(found: Overrides, kind: ThresholdKind) -> Override | None:
    override: Override | None = getattr(found, kind)
    return override
