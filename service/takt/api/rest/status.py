"""Health, metrics and models of the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from takt.api.examples import NO_MODEL
from takt.api.model_schemas import (
    BundleSizeOut,
    DriftOut,
    FileDriftOut,
    ModelOut,
    ModelsOut,
    RefusedOut,
    RoiOut,
    SourceOut,
    ThresholdOriginOut,
    ThresholdOriginsOut,
    ThresholdsOut,
    VersionOut,
)
from takt.api.paths import Name
from takt.api.problems import caller_of, problem_responses
from takt.api.schemas import ImageSize, LiveOut, ModelState, ReadinessOut
from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.bundles.manifest import Drift
from takt.core.bundles.region import Roi
from takt.core.bundles.thresholds import DeployedThresholds
from takt.core.domain import ThresholdKind
from takt.core.pictures.good_facts import knows_good_facts
from takt.mirroring.worker import BundleSource, MirrorWorker
from takt.observing.instruments.gpu_metrics import GpuCollector
from takt.observing.instruments.host_metrics import HostMetrics
from takt.repository.model_version import ModelVersion
from takt.repository.repository import ModelRepository

_BAD_VERSION = re.compile(r"version=(?!\d{1,9}(\.\d{1,9}){0,3}\s*([;,]|$))", re.ASCII)
"""A version in `Accept` that is no number, by which Prometheus's library fails."""

_TEXT = {"schema": {"type": "string"}}


def health_router(repository: ModelRepository, mirror: MirrorWorker | None) -> APIRouter:
    """The routes for probes.

    Args:
        repository: of this server.
        mirror: fetches what is in it, if bundles come from a URL.
    """
    router = APIRouter(tags=["health"])

    @router.head("/health/live", include_in_schema=False)
    @router.get("/health/live")
    async def check_live() -> LiveOut:
        """Whether the process answers."""
        return LiveOut(status="live")

    @router.head("/health/ready", include_in_schema=False)
    @router.get(
        "/health/ready",
        responses={503: {"model": ReadinessOut, "description": "A model is not ready."}},
    )
    async def check_ready(request: Request, response: Response) -> ReadinessOut:
        """Whether every model's engine answered the golden inputs, and lives.

        A probe needs no key; it is told of the models alone whether all of them are ready.
        """
        may_read = "read" in caller_of(request.scope).scopes
        response.status_code = 200 if repository.ready else 503
        return ReadinessOut(
            ready=repository.ready,
            models=[ModelState.model_validate(model) for model in repository if may_read],
            reason=_reason(repository, mirror.source if mirror else None) if may_read else None,
        )

    return router


def metrics_router(metrics: HostMetrics, gpus: GpuCollector | None = None) -> APIRouter:
    """The route for Prometheus.

    Args:
        metrics: of this server.
        gpus: metrics of the GPUs, if there are any.
    """
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {
                "content": {"text/plain": _TEXT},
                "description": "Prometheus text.",
            }
        },
    )
    async def read_metrics(request: Request) -> Response:
        """The metrics, in Prometheus's text format."""
        # OpenMetrics where the client takes it: only that has exemplars.
        accept = request.headers.get("accept", "")
        encode, media_type = choose_encoder("" if _BAD_VERSION.search(accept) else accept)
        # The loop reads the values, as it changes them; writing the text takes too long for it.
        families = await metrics.read()
        body = await asyncio.to_thread(encode, _Read(families, gpus))
        return Response(body, media_type=media_type)

    return router


def models_router(repository: ModelRepository, mirror: MirrorWorker | None) -> APIRouter:
    """The routes that tell of the models; the arguments are those of `health_router`."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models")
    async def list_models() -> ModelsOut:
        """Every model and its versions."""
        # /health/ready shows models that are loading or have failed, too.
        return ModelsOut(
            models=[_model(repository, name) for name in repository.names],
            source=_source(mirror.source) if mirror else None,
        )

    @router.get("/v1/models/{name}", responses=problem_responses(NO_MODEL))
    async def get_model(name: Name) -> ModelOut:
        """One model and its versions."""
        return _model(repository, name)

    return router


def _reason(repository: ModelRepository, source: BundleSource | None) -> str | None:
    """Why no model is known yet, or none answers."""
    if source is None or repository.found.is_set():
        return repository.waits
    refused = next(iter(source.refused.values()), None)
    return source.away or refused or f"the first bundles are being fetched from {source.url}"


def _source(source: BundleSource) -> SourceOut:
    refused = [RefusedOut(name=name, reason=why) for name, why in source.refused.items()]
    return SourceOut(url=source.url, away=source.away, refused=refused)


@dataclass(frozen=True)
class _Read(Collector):
    """Metrics as they were at one moment, and those of the GPUs, which are read on demand."""

    families: Sequence[Metric]
    gpus: GpuCollector | None

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self.families
        if self.gpus is not None:
            yield from self.gpus.collect()


def _model(repository: ModelRepository, name: str) -> ModelOut:
    model = repository.model(name)
    return ModelOut(
        name=name,
        active=model.active or "",
        waits=model.waits,
        previous=model.previous,
        decided=model.decision is not None,
        versions=[_version(version) for version in model],
    )


def _version(model: ModelVersion) -> VersionOut:
    fields: dict[str, Any] = dict.fromkeys(VersionOut.model_fields) | {
        "version": model.version,
        "state": model.state,
        "reason": model.reason,
        "engine": model.loaded.engine if model.loaded else None,
        "notes": [],
    }
    if model.bundle is not None:
        fields |= _of_bundle(model.bundle, model)
    return VersionOut(**fields)


def _of_bundle(bundle: Bundle, model: ModelVersion) -> dict[str, Any]:
    manifest = bundle.manifest
    height, width = manifest.preprocess.input_size
    fields: dict[str, Any] = {
        "family": manifest.family,
        "variant": manifest.variant,
        "input": ImageSize(width=width, height=height),
        "map_low": manifest.map.low,
        "roi": _roi(manifest.roi) if manifest.roi else None,
        "tiling": manifest.tiling,
        "self_test": manifest.self_test,
        "signed_by": bundle.signed_by,
        "digest": bundle.digest,
        "on_disk": _size(bundle, model),
        "provenance": manifest.provenance,
        "notes": [*manifest.notes, *manifest.thresholds.notes],
    }
    if model.thresholds is not None:
        fields["thresholds"] = _thresholds(bundle, model.thresholds)
    if model.loaded is not None:
        fields["drift"] = DriftOut(
            score=model.loaded.drift.score,
            anomaly_map=model.loaded.drift.anomaly_map,
            tolerance=manifest.tolerance,
            from_file=_from_file(manifest.drift),
        )
    return fields


def _size(bundle: Bundle, model: ModelVersion) -> BundleSizeOut:
    variant = model.loaded.plan.variant if model.loaded else None
    graph = {MODEL} if variant is None else {variant.model, *variant.files}
    return BundleSizeOut(
        bytes=sum(bundle.sizes.values()),
        graph_bytes=sum(size for name, size in bundle.sizes.items() if name in graph),
    )


def _from_file(drift: Drift) -> FileDriftOut | None:
    if drift.from_file is None:
        return None
    return FileDriftOut(**drift.from_file.model_dump(), pictures=drift.pictures)


def _thresholds(bundle: Bundle, deployed: DeployedThresholds) -> ThresholdsOut:
    own = bundle.manifest.thresholds

    def origin(kind: ThresholdKind, value: float) -> ThresholdOriginOut:
        return ThresholdOriginOut(**asdict(deployed.origin(kind)), bundle=value)

    current = deployed.in_force
    return ThresholdsOut(
        image=current.image,
        pixel=current.pixel,
        alpha=own.alpha,
        proven_rate=own.proven_rate,
        method=own.method,
        origin=ThresholdOriginsOut(
            image=origin("image", own.image), pixel=origin("pixel", own.pixel)
        ),
        undecided=current.undecided if knows_good_facts(bundle.calibration) else None,
    )


def _roi(roi: Roi) -> RoiOut:
    return RoiOut(
        share=roi.share,
        mask=roi.mask is not None,
        polygons=[list(polygon) for polygon in roi.polygons],
        exclude=[list(polygon) for polygon in roi.exclude],
    )
