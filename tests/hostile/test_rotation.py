"""Keys that are exchanged under load: a shorter version of `python -m tests.hostile keys`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from takt.security.keys.key_file import format_keys
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.rotation import Rotation, judge
from tests.hostile.server import serve_command, started


@pytest.mark.slow
def test_nobody_is_refused_while_keys_are_exchanged_and_a_revoked_one_is(tmp_path: Path) -> None:
    write_bundle(tmp_path / "models")
    (file := tmp_path / "keys.toml").write_bytes(format_keys(()))
    options = ("--keys-file", str(file), "--log-level", "debug")
    with started(serve_command(tmp_path / "models", *options)) as server:
        rotation = Rotation(server.address, file, MODEL, spotted_picture())
        asyncio.run(rotation.run(requests=2_000, rounds=2))
        verdict, _ = judge(rotation, server, 2_000)

    assert verdict.missed == []
