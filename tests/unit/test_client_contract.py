"""The client and the server declare the wire apart from each other; here both sides are equal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import orjson
import pytest

import takt.core.errors
import takt_client.errors
from takt.core import domain
from takt.core.domain import Box, Heatmap, Inspection, Region, Timings, Verdict, inspection_json
from takt.core.pictures.decode import decode
from takt.streaming import frames
from takt_client.pictures import FRAME_HEADER, RawPicture, encoded, pack_frame
from takt_client.reading import inspected_of

ROOT = Path(__file__).parents[2]
OF_THE_WAY = {"PictureFileError", "UnreachableError", "UnreadableAnswerError"}
"""Errors of the client alone; no server answers with them."""


def tree(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield from tree(child)


def facts(module: object) -> dict[str, tuple[object, ...]]:
    return {
        kind.__name__: (kind.status, kind.code, kind.title, kind.__base__.__name__)
        for kind in tree(module.TaktError)
        if kind.__name__ not in OF_THE_WAY
    }


def test_both_sides_have_the_same_tree_of_errors() -> None:
    assert facts(takt_client.errors) == facts(takt.core.errors)


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (takt_client.values.HeatmapKind, domain.HeatmapKind),
        (takt_client.values.ImageFormat, domain.ImageFormat),
        (takt_client.values.Priority, domain.Priority),
        (takt_client.pictures.PixelFormat, domain.PixelFormat),
    ],
)
def test_both_sides_have_the_same_words(words: object, ours: object) -> None:
    assert get_args(words) == get_args(ours)


@pytest.mark.parametrize("format", get_args(domain.PixelFormat))
def test_a_frame_of_raw_pixels_arrives_as_it_was_sent(format: domain.PixelFormat) -> None:
    pixels = bytes(range(6 if format == "mono8" else 18))
    frame = frames.unpack(pack_frame(7, 1_700, RawPicture(pixels, 3, 2, format)))
    assert (frame.sequence, frame.captured_us) == (7, 1_700)
    assert isinstance(frame.picture, domain.RawPicture)
    assert (frame.picture.width, frame.picture.height, frame.picture.format) == (3, 2, format)
    assert bytes(frame.picture.pixels) == pixels


def test_a_frame_of_an_encoded_picture_arrives_as_it_was_sent() -> None:
    frame = frames.unpack(pack_frame(2**64 - 1, 0, b"a jpeg"))
    assert (frame.sequence, bytes(frame.picture)) == (2**64 - 1, b"a jpeg")
    assert FRAME_HEADER.size == frames.HEADER_BYTES


@pytest.mark.parametrize("width", [4, 5, 6, 7])
def test_an_array_reaches_the_server_pixel_for_pixel(width: int) -> None:
    rgb = np.arange(3 * width * 3, dtype=np.uint8).reshape(3, width, 3)
    np.testing.assert_array_equal(decode(encoded(rgb, "rgb"), 1000), rgb)
    np.testing.assert_array_equal(decode(encoded(rgb[:, ::-1], "rgb"), 1000), rgb[:, ::-1])
    np.testing.assert_array_equal(decode(encoded(rgb[:, :, ::-1], "bgr"), 1000), rgb)
    gray = rgb[:, :, 0]
    np.testing.assert_array_equal(decode(encoded(gray), 1000), np.dstack([gray] * 3))


def test_what_a_server_answers_is_read_whole() -> None:
    inspection = Inspection(
        model="parts",
        version="2",
        verdict=Verdict(True, 0.75, 0.5, 99.5, (Region(Box(1, 2, 3, 4), 5, 0.75),)),
        width=64,
        height=48,
        inspected=Box(0, 0, 60, 48),
        heatmap=Heatmap("overlay", "jpeg", b"\xff\xd8picture"),
        timings=Timings(1, 2, 3, 4, 5, 6, 21),
        warnings=("small_picture", "other_shape"),
    )
    read = asdict(inspected_of(orjson.loads(orjson.dumps(inspection_json(inspection, "r1")))))
    assert read.pop("request_id") == "r1"
    sent = {
        name: asdict(value) if is_dataclass(value) else value
        for name, value in inspection._asdict().items()
    }
    verdict = sent.pop("verdict")
    # What only the server itself has to know.
    del sent["anomaly_map"], sent["source"], sent["facts"]
    del verdict["pixel_threshold"], verdict["typical_score"], verdict["peak"]
    assert read == sent | verdict


def test_development_and_images_install_the_client_from_its_folder() -> None:
    assert "--editable ./clients/python" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for image in ("cpu", "gpu"):
        text = (ROOT / f"docker/{image}.Dockerfile").read_text(encoding="utf-8")
        assert "COPY clients/python ./clients/python" in text
        assert re.search(r"pip wheel .*\\\n +\./clients/python \./service", text)
