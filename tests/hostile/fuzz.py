"""Fuzzing, guided by coverage, of what reads foreign bytes first; run as a program.

    python -m tests.hostile.fuzz header --runs 100000

Anything but an error that is meant for the caller ends it with a code other than 0, and libFuzzer
prints the bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Target = Callable[[bytes], None]
Seeds = Mapping[str, bytes]


def header() -> tuple[Target, Seeds]:
    """The reader of a picture's header; the seeds are pictures of every kind, and bombs."""
    from takt.core.errors import RequestError
    from takt.core.pictures.header import read_header
    from tests.hostile.bombs import idat_length, text_length, tiff_of_many_strips, webp_claim
    from tests.hostile.pictures import originals

    def read(data: bytes) -> None:
        try:
            found = read_header(data)
        except RequestError:
            return
        assert found.width > 0
        assert found.height > 0

    bombs = (idat_length, text_length, tiff_of_many_strips, webp_claim)
    return read, {**originals(), **{make.__name__: make() for make in bombs}}


def manifest() -> tuple[Target, Seeds]:
    """The reader of a bundle's manifest; values of a good one become others."""
    import atheris
    from pydantic import ValidationError

    from takt.core.bundles.manifest import Manifest
    from tests.hostile.bundle import write_bundle

    with tempfile.TemporaryDirectory(prefix="takt-hostile-") as folder:
        good = (write_bundle(Path(folder)).path / "manifest.json").read_text("utf-8")

    def read(data: bytes) -> None:
        draws = atheris.FuzzedDataProvider(data)
        document = json.loads(good)
        for _ in range(draws.ConsumeIntInRange(1, 3)):
            holder = document
            while True:
                key = draws.PickValueInList(sorted(holder))
                if not isinstance(holder[key], dict) or not holder[key] or draws.ConsumeBool():
                    break
                holder = holder[key]
            holder[key] = _value(draws)
        try:
            Manifest.model_validate_json(json.dumps(document))
        except ValidationError:
            return

    return read, {str(number): bytes([number]) * 40 for number in range(0, 256, 16)}


def _value(draws: Any) -> Any:
    """Some value, as JSON has it."""
    made: tuple[Callable[[], Any], ...] = (
        lambda: None,
        draws.ConsumeBool,
        lambda: draws.ConsumeInt(9),
        draws.ConsumeFloat,
        lambda: draws.ConsumeUnicodeNoSurrogates(24),
        lambda: [draws.ConsumeInt(4)] * draws.ConsumeIntInRange(0, 5),
        lambda: {draws.ConsumeUnicodeNoSurrogates(8): draws.ConsumeInt(4)},
    )
    return draws.PickValueInList(list(made))()


def stream() -> tuple[Target, Seeds]:
    """The readers of a stream's messages."""
    from takt.api.stream.messages import hello_of
    from takt.core.errors import RequestError
    from takt.streaming.frames import unpack
    from tests.hostile.stream_sessions import picture

    def read(data: bytes) -> None:
        for reader in (unpack, lambda text: hello_of(text.decode("utf-8", "replace"))):
            try:
                reader(data)
            except RequestError:
                continue

    hello = b'{"type":"hello","policy":"latest","vote":{"k":1,"n":2},"smoothing":0.5}'
    return read, {"hello": hello, "frame": picture(1, bytes(48), 1, 4, 4)[8:]}


TARGETS: Mapping[str, Callable[[], tuple[Target, Seeds]]] = {
    "header": header,
    "manifest": manifest,
    "stream": stream,
}


def main() -> None:
    """Run as a program."""
    import atheris

    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=100_000)
    given = parser.parse_args()
    with atheris.instrument_imports(
        include=["takt.core.pictures", "takt.core.bundles", "takt.api"]
    ):
        target, seeds = TARGETS[given.target]()
    with tempfile.TemporaryDirectory(prefix="takt-hostile-") as folder:
        for name, data in seeds.items():
            (Path(folder) / name.replace(" ", "-")).write_bytes(data)
        # libFuzzer writes the bytes that it found where it runs.
        options = [f"-runs={given.runs}", "-max_len=65536", "-seed=15", "-timeout=10"]
        options += ["-rss_limit_mb=2048", f"-artifact_prefix={folder}/", folder]
        atheris.Setup([sys.argv[0], *options], atheris.instrument_func(target))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
