"""What is delivered is listed, and under licences that are taken."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.deploy.deploy_tools import package

SCRIPT = Path(__file__).parents[2] / "docker" / "sbom.py"


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    package("cyclonedx.model.bom")
    spec = importlib.util.spec_from_file_location("sbom", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = sys.modules["sbom"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("metadata", "licence", "taken"),
    [
        ({"license_expression": "MIT"}, "MIT", True),
        ({"license_expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}, None, True),
        ({"license_expression": "GPL-3.0-only OR MIT"}, None, True),
        ({"license_expression": "GPL-3.0-only AND MIT"}, None, False),
        ({"license_expression": "MIT AND LicenseRef-Secret"}, None, False),
        ({"classifier": ["License :: OSI Approved :: BSD License"]}, "BSD License", True),
        (
            {"classifier": ["License :: OSI Approved", "License :: OSI Approved :: MIT License"]},
            "MIT License",
            True,
        ),
        (
            {
                "classifier": [
                    "License :: OSI Approved :: MIT License",
                    "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
                ]
            },
            None,
            False,
        ),
        ({"license": "Apache 2.0\n\nand much text"}, "Apache 2.0", True),
        ({"license": "AGPL-3.0"}, "AGPL-3.0", False),
        ({"license": "LGPLv3"}, "LGPLv3", False),
        ({"license": "UNKNOWN"}, "UNKNOWN", False),
        ({"license": None, "classifier": []}, "", False),
    ],
)
def test_a_licence_is_read_and_judged(
    sbom: ModuleType, metadata: dict[str, object], licence: str | None, taken: bool
) -> None:
    found = sbom.licence_of(metadata)

    assert licence is None or found == licence
    assert (sbom.Package("a", "1", "", found).trouble is None) is taken


def test_what_pip_reports_becomes_a_bill_with_versions_digests_and_licences(
    sbom: ModuleType,
) -> None:
    report = {
        "install": [
            {
                "metadata": {"name": "Click", "version": "8.1", "license_expression": "MIT"},
                "download_info": {"archive_info": {"hashes": {"sha256": "a" * 64}}},
            },
            {
                "metadata": {"name": "ours", "version": "0.1.0", "license": "Apache-2.0"},
                "download_info": {"dir_info": {}},
            },
        ]
    }

    bill = json.loads(sbom.bom_of("takt-cpu", sbom.packages_of(report)))

    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "takt-cpu")
    click, ours = bill["components"]
    assert (click["name"], click["version"], click["purl"]) == (
        "Click",
        "8.1",
        "pkg:pypi/click@8.1",
    )
    assert click["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert click["licenses"] == [{"license": {"name": "MIT"}}]
    assert ours["name"] == "ours"


def wheel_of(name: str, bill: Path) -> Any:
    components = json.loads(bill.read_bytes())["components"]
    return next(one for one in components if one["name"] == name)


@pytest.mark.services
def test_everything_that_is_delivered_is_listed_and_taken(
    sbom: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sbom, "OUT", sbom.ROOT / "out" / "sbom")

    assert sbom.main() == 0
    for name in ("takt-cpu-amd64", "takt-cpu-arm64", "takt-gpu-amd64", "takt-wheels"):
        assert len(json.loads((sbom.OUT / f"{name}.cdx.json").read_bytes())["components"]) > 40
    amd64, arm64 = (
        wheel_of("numpy", sbom.OUT / f"takt-cpu-{one}.cdx.json") for one in ("amd64", "arm64")
    )
    assert amd64["version"] == arm64["version"]
    assert amd64["hashes"] != arm64["hashes"]
