"""Decides whether a variant that was built for one GPU may run on this host.

TensorRT chooses its kernels by timing them, so an engine fits only the GPU, the driver and the
TensorRT that it was built with.
"""

from __future__ import annotations

from collections.abc import Mapping

from takt.core.bundles.variant import Variant
from takt.core.engines.options import VariantFallback
from takt.core.errors import ConfigurationError

_NAMES = {
    "gpu": "GPU",
    "compute_capability": "compute capability",
    "driver": "driver",
    "tensorrt": "TensorRT",
}
"""Names for people of the keys of `Variant.built_for`."""


def host_mismatch(
    variant: Variant, host: Mapping[str, str] | None, fallback: VariantFallback
) -> str | None:
    """Says why a variant cannot run here as it was exported.

    Args:
        variant: of a bundle.
        host: the `built_for` of this host; None without a GPU.
        fallback: the setting `variant_fallback`.

    Returns:
        The reason, if the fallback is possible; None if the variant runs here.

    Raises:
        ConfigurationError: the variant does not run here, and no fallback is possible.
    """
    differences = _differences(variant, host)
    if not differences:
        return None
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
    return reason


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
