"""Thresholds that a model is deployed with, and their origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from export.errors import InspectorError
from service.bundles.bundle import Bundle
from service.bundles.manifest import Manifest
from service.bundles.thresholds import OVERRIDES, in_force, read_overrides
from service.domain import ThresholdKind


@dataclass(frozen=True)
class AppliedThresholds:
    """Thresholds in force for a model.

    Attributes:
        image: a picture is anomalous if its score is greater.
        pixel: a map cell is anomalous if its value is greater.
        image_from: origin of the threshold of scores, in words.
        pixel_from: origin of the threshold of map values, in words.
    """

    image: float
    pixel: float
    image_from: str
    pixel_from: str


def deployed_beside(bundle: Bundle) -> AppliedThresholds:
    """Thresholds of a bundle's folder.

    Raises:
        BundleError: the file of thresholds set at the line is damaged.
    """
    overrides = read_overrides(bundle.path)
    thresholds = in_force(bundle, overrides)

    def told(overridden: bool) -> str:
        own = bundle.manifest.thresholds.method
        return f"set at the line ({OVERRIDES})" if overridden else own

    return AppliedThresholds(
        image=thresholds.image,
        pixel=thresholds.pixel,
        image_from=told(overrides.image is not None),
        pixel_from=told(overrides.pixel is not None),
    )


def deployed_at(client: httpx.Client, manifest: Manifest) -> AppliedThresholds:
    """Thresholds in force at a server, which may differ from those of the bundle here.

    Args:
        client: client whose base is the server's URL.
        manifest: manifest of the bundle that the server should run.

    Raises:
        InspectorError: there is no server, it lacks the model, the model is not ready, or the
            response is not one of this API.
    """
    server, wanted = client.base_url, f"{manifest.name} version {manifest.version}"
    try:
        response = client.get(f"/v1/models/{manifest.name}")
    except httpx.HTTPError as error:
        raise InspectorError(
            f"no answer from {server} ({error or type(error).__name__}); start it with "
            "`takt serve`, or correct --url"
        ) from error
    if response.status_code == httpx.codes.NOT_FOUND:
        raise InspectorError(f"{server} does not serve {wanted}; correct --url")
    if response.is_error:
        raise InspectorError(
            f"{server} answered {response.status_code} when asked for the thresholds of {wanted}"
        )
    try:
        found = {one["version"]: one["thresholds"] for one in response.json()["versions"]}
        if manifest.version not in found:
            raise InspectorError(f"{server} does not serve {wanted}; correct --url")
        thresholds = found[manifest.version]
        if thresholds is None:
            raise InspectorError(f"{wanted} is not ready at {server}; evaluate it when it is")
        return AppliedThresholds(
            image=float(thresholds["image"]),
            pixel=float(thresholds["pixel"]),
            image_from=_told(thresholds, "image"),
            pixel_from=_told(thresholds, "pixel"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InspectorError(
            f"{server} does not answer like a Takt server ({error!r}); correct --url"
        ) from error


def _told(thresholds: Any, kind: ThresholdKind) -> str:
    origin = thresholds["origin"][kind]
    if origin["source"] == "override":
        return f"in force at the server, set at the line at {origin['since']}"
    return f"in force at the server, its bundle's own: {thresholds['method']}"
