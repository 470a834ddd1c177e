"""Advises how to become faster than the measured candidates."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from takt.commands.tune.results import TuneResults
from takt.core.bundles.bundle import Bundle
from takt.core.distribution import install_hint


def advice(bundle: Bundle, results: TuneResults, *, openvino: bool) -> Iterator[str]:
    """Lines for people, the most useful first.

    Args:
        bundle: the tuned bundle.
        results: results of the tuning.
        openvino: whether OpenVINO is installed.
    """
    variants = bundle.manifest.variants
    if not any(one.engine == "openvino" and one.precision == "int8" for one in variants):
        first = "" if openvino else f"install OpenVINO ({install_hint('openvino')}), then "
        yield (
            f"8 bits are often several times as fast on a CPU: {first}takt export openvino "
            f"{bundle.path} --precision int8 --good DIR, and tune again"
        )
    names = {one.candidate.engine for one in results.measured}
    if "tensorrt" in names and not any(one.provider == "tensorrt" for one in variants):
        yield (
            f"this GPU runs TensorRT: takt export tensorrt {bundle.path} --good DIR makes a "
            "variant in lower precision for it; then tune again"
        )


def has_openvino() -> bool:
    """Whether OpenVINO is installed, found out without an import."""
    return importlib.util.find_spec("openvino") is not None
