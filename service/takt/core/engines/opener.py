"""Opens the engine that a bundle's plan names, or the reference graph where that is allowed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.host_profile import read_profile
from takt.core.bundles.variant import Precision, Variant
from takt.core.engines.base import Engine
from takt.core.engines.built_for import host_mismatch
from takt.core.engines.layers import (
    NAMED_FROM,
    LayerRecord,
    first_failing,
    layer_errors,
    recorded_errors,
)
from takt.core.engines.nvidia.gpu import read_gpu
from takt.core.engines.openvino import precision_hint
from takt.core.engines.options import REFERENCE, EngineOptions, EnginePlan
from takt.core.engines.plan import plan_for
from takt.core.engines.provider_check import cuda_major, import_runtime
from takt.core.engines.runtimes import open_planned
from takt.core.errors import ConfigurationError
from takt.core.host import host_name

logger = logging.getLogger("takt.opening")


@dataclass(frozen=True)
class OpenedEngine:
    """An open engine and the plan that it was opened by."""

    engine: Engine
    plan: EnginePlan

    def drifting_layers(self, bundle: Bundle) -> Sequence[str]:
        """The layer where the graph begins to differ from the export's; empty if unknown."""
        return drifting_layers(bundle, self.plan.model, self.plan.variant)


def drifting_layers(bundle: Bundle, model: Path, variant: Variant | None) -> Sequence[str]:
    """The layer where a graph begins to differ from the trained model's; empty if unknown.

    Its layers are compared with the bundle's record of them, and without one with those of the
    reference graph.

    Args:
        bundle: whose graph it is.
        model: file of the graph.
        variant: what the graph is; None for the reference graph.
    """
    precision: Precision = "fp32" if variant is None else variant.precision
    hint = "f32"
    if variant is not None and variant.engine == "openvino":
        hint = precision_hint(precision, variant.rest)
    images = bundle.golden.images
    # It only explains a refusal, which stands whether or not OpenVINO can run the graphs.
    with contextlib.suppress(Exception):
        record = LayerRecord.of(bundle)
        if record is None:
            if model == bundle.model_path and hint == "f32":
                return ()
            errors = layer_errors(bundle.model_path, model, images[:2], hint)
            return first_failing(errors, NAMED_FROM[precision], most=1)
        if model == bundle.model_path:
            # What differs in float32 already lies in the file and not in the precision.
            errors = recorded_errors(record, model, images[0])
            if any(one.grown > NAMED_FROM["fp32"] for one in errors):
                return first_failing(errors, NAMED_FROM["fp32"], most=1)
            if hint == "f32":
                return ()
        errors = recorded_errors(record, model, images[0], hint)
        return first_failing(errors, NAMED_FROM[precision], most=1)
    return ()


EngineFactory = Callable[[Bundle], Engine]
EngineOpener = Callable[[Bundle], OpenedEngine]


def engine_opener(options: EngineOptions, factory: EngineFactory | None = None) -> EngineOpener:
    """Returns the function that opens an engine for a bundle.

    Args:
        options: the engine and its layout.
        factory: makes the engines; of the options only the layout counts then.
    """

    def open_bundle(bundle: Bundle) -> OpenedEngine:
        if factory is not None:
            return OpenedEngine(factory(bundle), plan_for(bundle, options))
        try:
            profile = read_profile(bundle.path, host_name(options.cores), bundle.repository)
            plan = _adapted(plan_for(bundle, options, profile), bundle, options)
            return OpenedEngine(open_planned(plan, options), plan)
        except ConfigurationError as error:
            if not options.provider_fallback:
                raise
            logger.warning(
                "serving the reference graph on the CPU, as provider_fallback allows: %s", error
            )
            reference = _on_cpu(bundle, options)
            return OpenedEngine(open_planned(reference, options), reference)

    return open_bundle


def _adapted(plan: EnginePlan, bundle: Bundle, options: EngineOptions) -> EnginePlan:
    """The plan, changed as `variant_fallback` says if the variant was built for another GPU.

    Raises:
        ConfigurationError: the variant was built for another GPU, and no fallback is possible.
    """
    if plan.variant is None or not plan.variant.built_for:
        return plan
    host = None
    try:
        host = read_gpu(options.device_id, cuda_major(import_runtime(plan.provider)))
    except ConfigurationError as error:
        logger.warning("this host's GPU cannot be told: %s", error)
    fallback = options.variant_fallback
    mismatch = host_mismatch(plan.variant, host, fallback)
    if mismatch is None:
        return plan
    logger.warning("%s; variant_fallback says %s", mismatch, fallback)
    if fallback == "cpu":
        return _on_cpu(bundle, options)
    reference = replace(plan, model=bundle.model_path)
    if fallback == "build":
        return reference
    return replace(reference, provider="cuda", precision="fp32", variant=None)


def _on_cpu(bundle: Bundle, options: EngineOptions) -> EnginePlan:
    """The plan for the reference graph by ONNX Runtime on the CPU, which every host has."""
    return plan_for(bundle, replace(options, engine=REFERENCE))
