"""Both clients and the load generator, with a real server."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import trustme
from click.testing import CliRunner

from takt.cli import main
from takt_client import AsyncTaktClient, FrameAnswer, FrameRefused, TaktClient
from takt_client.errors import (
    InsufficientScopeError,
    InvalidImageError,
    ModelNotFoundError,
    UnauthenticatedError,
    UnreachableError,
)
from tests.api.keys import KEYS, bearer
from tests.hostile.bundle import write_bundle

TAKT = Path(sys.executable).with_name("takt")


@pytest.fixture(scope="module")
def url(fork_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = tmp_path_factory.mktemp("client") / "models"
    write_bundle(repository)
    with fork_server(repository) as server:
        yield server.url


def grey(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def test_a_program_without_asyncio_gets_answers_models_and_errors(
    url, picture_bytes, tmp_path
) -> None:
    with TaktClient(url) as client:
        assert client.ready().ready
        (model,) = client.models()
        assert client.model(model.name) == model
        assert model.versions[0].thresholds is not None
        assert model.versions[0].thresholds.image == 0.5

        good = client.inspect("parts", picture_bytes(50), version="1", priority="bulk")
        assert not good.anomalous
        assert good.score == pytest.approx(50 / 255, abs=1e-6)

        path = tmp_path / "part.png"
        path.write_bytes(picture_bytes(50, spot=200))
        bad = client.inspect("parts", path, heatmap="overlay", format="png")
        assert bad.anomalous
        assert (bad.width, bad.height) == (64, 48)
        assert bad.regions[0].box.width == 16
        assert bad.heatmap is not None
        assert bad.heatmap.data.startswith(b"\x89PNG")

        for array in (grey(200), grey(200)[:, :, 0]):
            color = "bgr" if array.ndim == 3 else "gray"
            score = client.inspect("parts", array, color=color).score
            assert score == pytest.approx(200 / 255, abs=1e-6)
        with pytest.raises(InvalidImageError):
            client.inspect("parts", b"no picture")
        with pytest.raises(ModelNotFoundError, match="parts"):
            client.inspect("screws", picture_bytes(50))


def test_a_program_without_asyncio_streams(url, picture_bytes) -> None:
    frames = [picture_bytes(50), b"no picture", grey(200), *(picture_bytes(50) for _ in range(20))]
    with (
        TaktClient(url) as client,
        client.stream("parts", heatmap="map", vote={"k": 1, "n": 3}) as stream,
    ):
        good, refused, bad, *others = stream.inspect(frames, color="bgr")
        stats = stream.stats
    assert isinstance(good, FrameAnswer)
    assert not good.inspected.anomalous
    assert isinstance(refused, FrameRefused)
    assert isinstance(refused.error, InvalidImageError)
    assert isinstance(bad, FrameAnswer)
    assert bad.inspected.anomalous
    assert bad.vote is not None
    assert bad.vote.anomalous
    assert bad.inspected.heatmap is not None
    assert bad.inspected.heatmap.data
    assert [item.sequence for item in others] == list(range(3, 23))
    assert stats is not None
    assert (stats.frames, stats.answered, stats.errors) == (23, 22, 1)


def test_an_asyncio_program_asks_and_streams(url, picture_bytes) -> None:
    async def body() -> None:
        async with AsyncTaktClient(url) as client:
            assert (await client.ready()).ready
            answers = await asyncio.gather(
                *(client.inspect("parts", grey(level), color="rgb") for level in (50, 200))
            )
            assert [answer.anomalous for answer in answers] == [False, True]

            async with client.stream("parts", policy="latest") as stream:
                for number in range(5):
                    await stream.send(picture_bytes(50), captured_us=number)
                await stream.finish()
                items = [item async for item in stream]
            assert sorted(item.sequence for item in items) == [0, 1, 2, 3, 4]
            newest = items[-1]
            assert isinstance(newest, FrameAnswer)
            assert newest.captured_us == newest.sequence

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_stream_that_is_left_early_is_over_for_the_server_too(url, picture_bytes) -> None:
    with TaktClient(url) as client:
        for _ in range(3):
            with client.stream("parts") as stream:
                for item in stream.inspect(picture_bytes(50) for _ in range(10)):
                    assert item.sequence == 0
                    break
        assert client.ready().ready


def test_a_cable_that_is_cut_loses_no_frame_and_no_answer(url, picture_bytes) -> None:
    """The first connection breaks in the middle of an answer; session and votes go on."""
    cuts_after = iter([3_000])

    async def cable(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        from_server, to_server = await asyncio.open_connection(host, int(port))
        left = next(cuts_after, 10**9)

        async def forth() -> None:
            while data := await reader.read(65536):
                to_server.write(data)

        sending = asyncio.create_task(forth())
        try:
            while left > 0 and (data := await from_server.read(min(left, 65536))):
                writer.write(data)
                left -= len(data)
        finally:
            sending.cancel()
            await asyncio.wait({sending})
            writer.transport.abort()
            to_server.transport.abort()

    async def body() -> None:
        async with await asyncio.start_server(cable, "127.0.0.1", 0) as cut:
            port = cut.sockets[0].getsockname()[1]
            async with (
                AsyncTaktClient(f"http://127.0.0.1:{port}") as client,
                client.stream("parts", vote={"k": 1, "n": 30}, heatmap="map") as stream,
            ):
                pictures = [picture_bytes(50, spot=200), *[picture_bytes(50)] * 19]
                items = [item async for item in stream.inspect(pictures)]
        assert next(cuts_after, None) is None
        assert [item.sequence for item in items] == list(range(20))
        assert all(isinstance(item, FrameAnswer) for item in items)
        last = items[-1]
        assert isinstance(last, FrameAnswer) and last.vote is not None
        assert (last.vote.count, last.vote.of) == (1, 20)

    asyncio.run(asyncio.wait_for(body(), 60))


@pytest.mark.parametrize("protocol", ["rest", "stream"])
def test_a_server_is_loaded_and_answers_all(url, picture_bytes, tmp_path, protocol) -> None:
    picture, told = tmp_path / "part.png", tmp_path / "run.json"
    picture.write_bytes(picture_bytes(200))
    command = [str(TAKT), "bench", url, "--images", str(picture), "--protocol", protocol]
    command += ["--requests", "50", "--warmup", "0", "--verdicts", "--json", str(told)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(told.read_bytes())["figures"]
    assert figures["answered"] == figures["anomalous"] == 50


@pytest.fixture
def guarded(fork_server, bundle, repository: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a server with keys that asks for certificates, and the folder of the client's."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name, who in (("server", "127.0.0.1"), ("client", "camera@line")):
        pem = authority.issue_cert(who).private_key_and_cert_chain_pem
        pem.write_to_path(str(tmp_path / f"{name}.pem"))
    options = {"tls-certificate": "server.pem", "tls-client-ca": "ca.pem", "keys-file": "keys"}
    (tmp_path / "keys").write_text(KEYS, encoding="utf-8")
    files = [part for name, file in options.items() for part in (f"--{name}", tmp_path / file)]
    with fork_server(repository, *map(str, files)) as server:
        yield server.url, tmp_path


def test_keys_and_certificates_are_shown_to_a_server_that_asks_for_both(
    guarded, picture_bytes
) -> None:
    url, folder = guarded
    key = bearer("camera")["authorization"].removeprefix("Bearer ")
    shown = {"cafile": folder / "ca.pem", "certfile": folder / "client.pem"}
    with TaktClient(url, key=key, **shown) as client:
        assert client.inspect("parts", picture_bytes(200)).anomalous
        with client.stream("parts") as stream:
            assert len(list(stream.inspect([picture_bytes(200)] * 3))) == 3
        with pytest.raises(InsufficientScopeError, match="read"):
            client.models()
    with TaktClient(url, **shown) as client:
        with pytest.raises(UnauthenticatedError):
            client.inspect("parts", picture_bytes(200))
        with pytest.raises(UnauthenticatedError), client.stream("parts"):
            raise AssertionError("a stream without a key")
    with TaktClient(url, key=key, cafile=shown["cafile"]) as client:
        with pytest.raises(UnreachableError, match="give certfile"):
            client.inspect("parts", picture_bytes(200))
        with pytest.raises(UnreachableError, match="give certfile"), client.stream("parts"):
            raise AssertionError("a stream without a certificate")

    picture = folder / "part.png"
    picture.write_bytes(picture_bytes(200))
    (folder / "key").write_text(key)
    access = ["--key-file", folder / "key"]
    access += [part for name, file in shown.items() for part in (f"--{name}", file)]
    for protocol in ("rest", "stream"):
        bench = ["bench", url, "--images", picture, "--model", "parts", "--protocol", protocol]
        bench += ["--requests", "5", "--warmup", "0", *access]
        done = CliRunner().invoke(main, [str(word) for word in bench])
        assert done.exit_code == 0, done.output
    watch = ["watch", folder / "video.avi", "--url", url, "--model", "parts", *access]
    write_video(folder / "video.avi")
    done = CliRunner().invoke(main, [str(word) for word in watch])
    assert done.exit_code == 0, done.output
    assert "2 answered" in done.output


def write_video(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in (50, 200):
        writer.write(grey(level))
    writer.release()
