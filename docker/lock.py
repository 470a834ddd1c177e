"""Write the locked dependencies of the container images: exact versions, and hashes of their files.

`make lock` runs it. Each lock is resolved from what the service declares with some of its extras,
and from what the client does, for one platform: this Python, Linux with Debian 13's glibc, and an
architecture as container engines name it. Only wheels are taken, so that a build of an image
compiles nothing and runs no package's code.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICE = "service/pyproject.toml"
PYTHON = "3.11"
PLATFORMS = {"amd64": "x86_64-manylinux_2_40", "arm64": "aarch64-manylinux_2_40"}
BUILD = "build"
"""The lock of what builds our own wheel, which is the same on every platform."""

EXTRAS = {
    "cpu": ("cpu", "openvino", "grpc", "mqtt", "oidc", "otel", "postgresql", "https", "s3", "gs"),
    "gpu": ("gpu", "grpc", "mqtt", "oidc", "otel", "postgresql", "https", "s3", "gs"),
}
"""By image."""

LOCKS = (("cpu", "amd64"), ("cpu", "arm64"), ("gpu", "amd64"))
"""Images with their architectures."""


def place_of(lock: str) -> Path:
    """Where a lock lies: `build`, or such as `cpu-arm64`."""
    return ROOT / "docker" / f"requirements-{lock}.lock"


def write(lock: str, architecture: str, *sources: str, given: str | None = None) -> None:
    """Resolve `sources`, as uv takes them, into a lock; what it holds already stays if it fits.

    Raises:
        subprocess.CalledProcessError: uv found no such versions, and said why.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", *sources, "--quiet"]
    command += ["--generate-hashes", "--only-binary", ":all:"]
    command += ["--custom-compile-command", "make lock"]
    command += ["--python-version", PYTHON, "--python-platform", PLATFORMS[architecture]]
    command += ["--output-file", str(place_of(lock).relative_to(ROOT))]
    subprocess.run([*command, *sys.argv[1:]], input=given, text=True, check=True, cwd=ROOT)


def main() -> None:
    """Write every lock; further arguments are uv's, such as `--upgrade`."""
    project = tomllib.loads((ROOT / SERVICE).read_text(encoding="utf-8"))
    write(BUILD, "amd64", "-", given="\n".join(project["build-system"]["requires"]))
    for image, architecture in LOCKS:
        given = [f"--extra={extra}" for extra in EXTRAS[image]]
        lock = f"{image}-{architecture}"
        write(lock, architecture, SERVICE, "clients/python/pyproject.toml", *given)


if __name__ == "__main__":
    main()
