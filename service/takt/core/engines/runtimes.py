"""Every runtime that an engine may be of: a new one is a file beside this one and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from takt.core.bundles.variant import Provider
from takt.core.engines.base import Engine
from takt.core.engines.onnxruntime import open_onnxruntime
from takt.core.engines.openvino import open_openvino
from takt.core.engines.options import REFERENCE, EngineOptions, EnginePlan


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs a graph, and where it computes.

    Attributes:
        engine: its library, as a bundle's variants name it.
        provider: where it computes.
        open: opens an engine by a plan of this runtime.
    """

    engine: str
    provider: Provider
    open: Callable[[EnginePlan, EngineOptions], Engine]


RUNTIMES: dict[str, Runtime] = {
    REFERENCE: Runtime("onnxruntime", "cpu", open_onnxruntime),
    "openvino": Runtime("openvino", "cpu", open_openvino),
    "cuda": Runtime("onnxruntime", "cuda", open_onnxruntime),
    "tensorrt": Runtime("onnxruntime", "tensorrt", open_onnxruntime),
}
"""By the value of the setting `engine` for which it runs the reference graph."""


def runtime_of(engine: str, provider: Provider) -> Runtime:
    """The runtime of a library where it computes there."""
    wanted = (engine, provider)
    return next(one for one in RUNTIMES.values() if (one.engine, one.provider) == wanted)


def open_planned(plan: EnginePlan, options: EngineOptions) -> Engine:
    """Opens an engine of the plan's runtime.

    Raises:
        ConfigurationError: this host has no such runtime.
        BundleError: the runtime cannot read the graph.
    """
    return runtime_of(plan.engine, plan.provider).open(plan, options)
