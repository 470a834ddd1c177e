"""Versions that something was made with."""

from __future__ import annotations

from takt.core import distribution

PACKAGES = (
    *("torch", "onnx", "onnxruntime", "openvino", "nncf", "numpy"),
    "opencv-python-headless",
)


def package_versions() -> dict[str, str]:
    """Versions of Python, of Takt and of each of `PACKAGES` that is installed."""
    return distribution.package_versions(*PACKAGES)
