"""A cluster as far as a pod of the chart sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from takt.core.bundles.bundle import Bundle
from tests.deploy.pod import Cluster, Key


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """A key that may inspect and read, made by the command that the chart tells of."""
    folder = tmp_path_factory.mktemp("keys")
    takt = Path(sys.executable).with_name("takt")
    command = [takt, "keys", "add", "camera", "--scope", "inspect", "--scope", "read"]
    made = subprocess.run(
        [*command, "--file", "keys.toml"], cwd=folder, capture_output=True, text=True, check=True
    )
    return Key(made.stdout.strip(), (folder / "keys.toml").read_bytes())


@pytest.fixture
def cluster(tmp_path: Path, bundle: Bundle, repository: Path, key: Key) -> Cluster:
    """A namespace with that key, a claim with a model, and an empty claim for the record."""
    for name in ("volumes", "record"):
        (tmp_path / name).mkdir()
    return Cluster(
        tmp_path / "volumes",
        secrets={"line-3-keys": {"keys.toml": key.file}},
        claims={"models": repository, "line-3-takt-record": tmp_path / "record"},
    )
