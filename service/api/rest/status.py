"""What the server says of itself: health, metrics, models."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request, Response
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.api.schemas import (
    DriftOut,
    ImageSize,
    LiveOut,
    ModelOut,
    ModelsOut,
    ModelState,
    ReadinessOut,
    RoiOut,
    ThresholdOriginOut,
    ThresholdOriginsOut,
    ThresholdsOut,
    TilingOut,
    VersionOut,
)
from service.bundles.manifest import Roi, Thresholds, Tiling
from service.bundles.thresholds import DeployedThresholds
from service.domain import ThresholdKind
from service.observing.gpu_metrics import GpuCollector
from service.observing.journal import Journal
from service.observing.metrics import Metrics
from service.repository.repository import ModelRepository
from service.repository.served_model import ServedModel


def status_router(
    repository: ModelRepository,
    metrics: Metrics,
    journal: Journal,
    gpus: GpuCollector | None = None,
) -> APIRouter:
    """The routes that tell, over these models."""
    router = APIRouter()

    @router.head("/health/live", include_in_schema=False)
    @router.get("/health/live", tags=["health"])
    async def live() -> LiveOut:
        """Whether the process answers."""
        return LiveOut(status="live")

    @router.head("/health/ready", include_in_schema=False)
    @router.get(
        "/health/ready",
        tags=["health"],
        responses={503: {"model": ReadinessOut, "description": "A model is not ready."}},
    )
    async def ready(response: Response) -> ReadinessOut:
        """Whether every model's engine answered the golden inputs, and lives."""
        response.status_code = 200 if repository.ready else 503
        return ReadinessOut(
            ready=repository.ready,
            models=[
                ModelState(
                    name=model.name,
                    version=model.version,
                    ready=model.ready,
                    state=model.state,
                    reason=model.reason,
                )
                for model in repository
            ],
        )

    @router.get(
        "/metrics",
        tags=["health"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text."}},
    )
    async def prometheus(request: Request) -> Response:
        """The metrics, in Prometheus's text format."""
        # OpenMetrics where it is understood: only that has the exemplars.
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        # Read here, where it changes; as text it takes long enough to keep pictures waiting.
        journal.settle()
        body = await asyncio.to_thread(encode, _Read(metrics.read(), gpus))
        return Response(body, media_type=media_type)

    @router.get("/v1/models", tags=["models"])
    async def models() -> ModelsOut:
        """Every model and its versions."""
        # One that is still coming, or could not, is told of by /health/ready.
        return ModelsOut(models=[_model(repository, name) for name in repository.names])

    @router.get("/v1/models/{name}", tags=["models"])
    async def model(name: str) -> ModelOut:
        """One model and its versions."""
        return _model(repository, name)

    return router


class _Read(Collector):
    """Metrics as they were at one moment, and those of GPUs, which are asked for meanwhile."""

    def __init__(self, families: Sequence[Metric], gpus: GpuCollector | None) -> None:
        self._families = families
        self._gpus = gpus

    def collect(self) -> Iterator[Metric]:
        """Those."""
        yield from self._families
        if self._gpus is not None:
            yield from self._gpus.collect()


def _model(repository: ModelRepository, name: str) -> ModelOut:
    active = repository.get(name)
    return ModelOut(
        name=name,
        active=active.version,
        previous=repository.previous(name),
        decided=repository.decided(name) is not None,
        versions=[_version(model) for model in repository if model.name == name],
    )


def _version(model: ServedModel) -> VersionOut:
    manifest = model.bundle.manifest if model.bundle else None
    return VersionOut(
        version=model.version,
        state=model.state,
        reason=model.reason,
        engine=model.engine,
        family=manifest.family if manifest else None,
        variant=manifest.variant if manifest else None,
        input=(
            ImageSize(
                height=manifest.preprocess.input_size[0], width=manifest.preprocess.input_size[1]
            )
            if manifest
            else None
        ),
        thresholds=(
            _thresholds(manifest.thresholds, model.thresholds)
            if manifest and model.thresholds
            else None
        ),
        drift=(
            DriftOut(
                score=model.drift.score,
                anomaly_map=model.drift.anomaly_map,
                tolerance=manifest.tolerance,
            )
            if manifest and model.drift
            else None
        ),
        roi=_roi(manifest.roi) if manifest and manifest.roi else None,
        tiling=_tiling(manifest.tiling) if manifest and manifest.tiling else None,
        notes=[*manifest.notes, *manifest.thresholds.notes] if manifest else [],
    )


def _thresholds(own: Thresholds, deployed: DeployedThresholds) -> ThresholdsOut:
    def origin(kind: ThresholdKind, value: float) -> ThresholdOriginOut:
        found = deployed.origin(kind)
        return ThresholdOriginOut(
            source=found.source, since=found.since, reason=found.reason, bundle=value
        )

    current = deployed.in_force
    return ThresholdsOut(
        image=current.image,
        pixel=current.pixel,
        alpha=own.alpha,
        method=own.method,
        origin=ThresholdOriginsOut(
            image=origin("image", own.image), pixel=origin("pixel", own.pixel)
        ),
    )


def _roi(roi: Roi) -> RoiOut:
    return RoiOut(
        share=roi.share,
        mask=roi.mask is not None,
        polygons=[list(polygon) for polygon in roi.polygons],
        exclude=[list(polygon) for polygon in roi.exclude],
    )


def _tiling(tiling: Tiling) -> TilingOut:
    return TilingOut(
        width=tiling.width, height=tiling.height, overlap=tiling.overlap, blend=tiling.blend
    )
