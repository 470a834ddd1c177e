"""Opens a bundle's engine as its plan says; where the settings allow, another if that fails."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.bundles.bundle import Bundle
from service.bundles.host_profile import read_profile
from service.engines.base import Engine
from service.engines.built_for import decide
from service.engines.layers import first_failing, layer_errors
from service.engines.nvidia.cuda import fixed_sizes
from service.engines.nvidia.gpu import read_gpu
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.engines.openvino import OpenVinoEngine, precision_hint
from service.engines.plan import REFERENCE, Plan, plan_for
from service.engines.provider_check import cuda_major, import_runtime
from service.engines.provider_options import GpuOptions
from service.errors import ConfigurationError
from service.host import host_name
from service.settings import Settings

NAMED_FROM = 0.25
"""Error of a layer, in deviations of its output, from which it is named."""

logger = logging.getLogger("takt.opening")


@dataclass(frozen=True)
class Opened:
    """An engine that was opened, and how it is to be run."""

    engine: Engine
    plan: Plan

    def begins_at(self, bundle: Bundle) -> Sequence[str]:
        """The layers where a variant begins to differ from the reference, if that can be told."""
        variant = self.plan.variant
        if variant is None:
            return ()
        ours = variant.engine == "openvino"
        hint = precision_hint(variant.precision, variant.rest) if ours else "f32"
        # It only explains a refusal, which stands whether or not OpenVINO can run both.
        with contextlib.suppress(Exception):
            errors = layer_errors(
                bundle.model_path, self.plan.model, bundle.golden.images[:2], hint
            )
            return first_failing(errors, NAMED_FROM)
        return ()


OpenEngine = Callable[[Bundle], Engine]
Open = Callable[[Bundle], Opened]


def opener(settings: Settings) -> Open:
    """What opens engines as the settings say."""

    def open_bundle(bundle: Bundle) -> Opened:
        try:
            profile = read_profile(bundle.path, host_name(settings.cores))
            plan = _here(bundle, plan_for(bundle, settings, profile), settings)
            return Opened(_open(plan, settings), plan)
        except ConfigurationError as error:
            if not settings.provider_fallback:
                raise
            logger.warning(
                "serving the reference graph on the CPU, as provider_fallback allows: %s", error
            )
            reference = _on_cpu(bundle, settings)
            return Opened(_open(reference, settings), reference)

    return open_bundle


def opener_of(settings: Settings, open_engine: OpenEngine) -> Open:
    """What hands out engines that somebody else makes, run as the settings say."""
    return lambda bundle: Opened(open_engine(bundle), plan_for(bundle, settings))


def _here(bundle: Bundle, plan: Plan, settings: Settings) -> Plan:
    """The plan on this host, for a variant that was built for one GPU.

    Raises:
        ConfigurationError: it was built for another, and nothing else is allowed or can be done.
    """
    if plan.variant is None or not plan.variant.built_for:
        return plan
    host = None
    try:
        host = read_gpu(settings.device_id, cuda_major(import_runtime(plan.provider)))
    except ConfigurationError as error:
        logger.warning("this host's GPU cannot be told: %s", error)
    decision = decide(plan.variant, host, settings.variant_fallback)
    if decision.reason is not None:
        logger.warning("%s; variant_fallback says %s", decision.reason, decision.course)
    match decision.course:
        case "variant":
            return plan
        case "build":
            return replace(plan, model=bundle.model_path)
        case "cuda":
            return replace(
                plan, provider="cuda", precision="fp32", variant=None, model=bundle.model_path
            )
        case "cpu":
            return _on_cpu(bundle, settings)


def _on_cpu(bundle: Bundle, settings: Settings) -> Plan:
    """The same bundle's reference graph by ONNX Runtime on the CPU, which every host has."""
    return plan_for(bundle, settings.model_copy(update={"engine": REFERENCE}))


def _open(plan: Plan, settings: Settings) -> Engine:
    if plan.engine == "openvino":
        return OpenVinoEngine.open(
            plan.model,
            precision=plan.precision,
            rest=plan.variant.rest if plan.variant else "fp32",
            streams=plan.instances,
            threads=plan.threads,
            cache=settings.engine_cache,
        )
    return OnnxRuntimeEngine.open(
        plan.model,
        provider=plan.provider,
        threads=plan.threads,
        device_id=settings.device_id,
        gpu=GpuOptions(
            precision=plan.precision,
            batch_sizes=fixed_sizes(plan.max_batch_size, settings.preferred_batch_sizes),
            cuda_graphs=settings.cuda_graphs,
            engine_cache=settings.engine_cache,
        ),
    )
