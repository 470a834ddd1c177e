"""A variant that was built for one GPU only: may it run here, and what else may be done.

TensorRT chooses its kernels by timing them, so that what it builds is for the GPU, the driver and
the TensorRT that it was built with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.bundles.variant import Variant
from service.errors import ConfigurationError
from service.settings import VariantFallback

Course = Literal["variant", "build", "cuda", "cpu"]

_NAMES = {
    "gpu": "GPU",
    "compute_capability": "compute capability",
    "driver": "driver",
    "tensorrt": "TensorRT",
}
"""The keys of `Variant.built_for`, for people."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How a variant is to be served.

    Attributes:
        course: variant: as it was exported. build: an engine of its precision is built anew from
            the reference graph. cuda, cpu: the reference graph runs there.
        reason: why not as it was exported, else None.
    """

    course: Course
    reason: str | None


def decide(variant: Variant, host: Mapping[str, str] | None, fallback: VariantFallback) -> Decision:
    """Compare what a variant was built for with this host.

    Args:
        variant: of a bundle.
        host: what its `built_for` would say here; None where there is no GPU.
        fallback: what the settings allow instead.

    Raises:
        ConfigurationError: it does not run here, and nothing else is allowed or can be done.
    """
    differences = _differences(variant, host)
    if not differences:
        return Decision("variant", None)
    reason = f"variant {variant.name} was built for another host: {'; '.join(differences)}"
    if fallback == "fail":
        raise ConfigurationError(
            f"{reason}; export it on this one, or allow another engine with variant_fallback"
        )
    if host is None and fallback != "cpu":
        raise ConfigurationError(
            f"{reason}; variant_fallback={fallback} needs a GPU as well, so allow the CPU with "
            "variant_fallback=cpu, or choose another engine"
        )
    return Decision(fallback, reason)


def _differences(variant: Variant, host: Mapping[str, str] | None) -> list[str]:
    if not variant.built_for:
        return []
    if host is None:
        return [f"{variant.built_for.get('gpu', 'a GPU')}, and here is none"]
    return [
        f"{_NAMES.get(key, key)} {wanted}, and here is {host.get(key) or 'none'}"
        for key, wanted in variant.built_for.items()
        if host.get(key) != wanted
    ]
