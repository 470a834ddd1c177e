"""With which versions something was made."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = (
    *("takt", "torch", "onnx", "onnxruntime", "openvino", "nncf", "numpy"),
    "opencv-python-headless",
)


def package_versions() -> dict[str, str]:
    """Versions of Python and of each of `PACKAGES` that is installed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
