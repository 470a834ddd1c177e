"""Answers that go to outlets as well: a plugin costs the line nothing, whatever it does."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import standardwebhooks
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from takt.core.errors import ConfigurationError
from takt.core.plugins import OUTLETS
from takt.recording.record import Record
from takt.recording.tables import inspections
from tests.api.apps import until
from tests.conftest import InstallPlugins
from tests.good_parts import with_good_facts
from tests.unit.service.outlets.webhooks.receivers import Receiver

URL = "/v1/models/parts/inspect"

OUTLETS_OF_TESTS = """
import threading
from takt.outlets.plugin import Sender

gate = threading.Event()
got = {"archive": [], "pictures": []}
closed = []

def archive(context):
    take = lambda answer, asked: got["archive"].append((answer, asked))
    return Sender(take, lambda: closed.append(context.name))

def pictures(context):
    return Sender(lambda answer, asked: got["pictures"].append((answer, asked)), pictures=True)

def stuck(context):
    return Sender(lambda answer, asked: gate.wait(60), most_waiting=2)

def broken(context):
    def send(answer, asked):
        raise OSError("no space left")
    return Sender(send)
"""


@pytest.fixture
def outlets(install_plugins: InstallPlugins) -> Iterator[None]:
    """Installs outlets: some take everything, one hangs, one raises."""
    names = ("archive", "pictures", "stuck", "broken")
    groups = {OUTLETS: {name: f"made_up_outlets:{name}" for name in names}}
    install_plugins(groups, {"made_up_outlets": OUTLETS_OF_TESTS})
    yield
    if (loaded := sys.modules.get("made_up_outlets")) is not None:
        loaded.gate.set()


def made_up() -> ModuleType:
    return sys.modules["made_up_outlets"]


async def counted(client: httpx.AsyncClient) -> dict[str, float]:
    """What became of answers, by outlet and outcome."""
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    return {
        f"{sample.labels['outlet']} {sample.labels['outcome']}": sample.value
        for family in families
        for sample in family.samples
        if sample.name == "takt_outlet_answers_total"
    }


@pytest.mark.usefixtures("outlets")
async def test_an_answer_goes_to_each_outlet_with_what_the_caller_said(
    serve, bundle, bad_part
) -> None:
    with_good_facts(bundle)
    async with serve(plugins="archive,pictures") as client:
        headers = {"X-Takt-Part": "A-17"}
        answer = (await client.post(URL, content=bad_part, headers=headers)).json()
        assert (await client.post("/v1/models/nuts/inspect", content=bad_part)).status_code == 404
        await until(lambda: all(made_up().got.values()))
    ((one, asked),) = made_up().got["archive"]
    assert (one.request_id, one.model, one.verdict.score) == (
        answer["request_id"],
        "parts",
        answer["score"],
    )
    assert one.facts is not None
    assert (asked.labels.part, asked.picture) == ("A-17", None)
    ((_, asked),) = made_up().got["pictures"]
    assert bytes(asked.picture) == bad_part
    assert made_up().closed == ["archive"]


@pytest.mark.usefixtures("outlets")
async def test_one_that_hangs_and_one_that_raises_keep_no_answer_and_no_other_outlet(
    serve, bad_part, sqlite_record: Record
) -> None:
    names = ("stuck", "broken", "archive")
    async with serve(plugins=names, record=sqlite_record) as client:
        for _ in range(6):
            assert (await client.post(URL, content=bad_part)).status_code == 200
        await until(lambda: len(made_up().got["archive"]) == 6)
        threads = {thread.name for thread in threading.enumerate()}
        async with asyncio.timeout(60):
            # An outlet is counted a moment after it has its verdict.
            while (now := await counted(client))["broken failed"] < 6 or now["archive sent"] < 6:
                pass
        assert {f"outlet-{name}" for name in names} <= threads
        made_up().gate.set()
    assert {name: number for name, number in now.items() if number} == {
        "stuck lost": 4,
        "broken failed": 6,
        "archive sent": 6,
    }
    with sqlite_record.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(inspections)).scalar() == 6


@pytest.mark.usefixtures("outlets")
async def test_one_that_hangs_ends_with_the_server_within_its_time(
    serve, bad_part, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("takt.parts.outlets.STORED_WITHIN_S", 0.0)
    with caplog.at_level(logging.ERROR, "takt.outlets"):
        async with serve(plugins="stuck", drain_timeout_s=0.0) as client:
            await client.post(URL, content=bad_part)
    assert "not reached the outlet stuck, as it ends: 1" in caplog.text


@pytest.mark.usefixtures("outlets")
async def test_what_no_setting_names_is_not_imported(serve, bad_part) -> None:
    async with serve() as client:
        assert (await client.post(URL, content=bad_part)).status_code == 200
        assert "takt_outlet" not in (await client.get("/metrics")).text
    assert "made_up_outlets" not in sys.modules


@pytest.mark.usefixtures("outlets")
async def test_a_server_with_a_plugin_that_is_not_there_does_not_start(serve) -> None:
    with pytest.raises(ConfigurationError, match="those that are: archive, broken, pictures"):
        async with serve(plugins="archives"):
            pass


SECRET = "whsec_" + "AAAA" * 8


def webhooks(path: Path, port: int, verdicts: str = "") -> Path:
    file = path / "webhooks.toml"
    url = f"http://127.0.0.1:{port}/takt"
    file.write_text(
        f'[[webhook]]\nname = "mes"\nurl = "{url}"\nsecrets = ["{SECRET}"]\n{verdicts}\n'
    )
    return file


async def test_a_verdict_is_posted_to_a_url_signed_and_in_the_words_of_the_answer(
    serve, bad_part, tmp_path: Path, sqlite_record: Record
) -> None:
    async with Receiver().listening() as receiver:
        settings = {
            "webhooks_file": webhooks(tmp_path, receiver.port),
            "webhooks_private_hosts": "127.0.0.1",
            "data_folder": tmp_path / "data",
        }
        async with serve(**settings, record=sqlite_record) as client:
            headers = {"X-Takt-Part": "A-17", "X-Takt-Station": "press1", "X-Takt-Lot": "L4"}
            answer = (await client.post(URL, content=bad_part, headers=headers)).json()
            await until(lambda: bool(receiver.posted))
            (posted,) = receiver.posted
            standardwebhooks.Webhook(SECRET).verify(posted.body, posted.headers)
            told = json.loads(posted.body)
            same = ("request_id", "model", "version", "score", "threshold", "verdict", "undecided")
            assert {name: told[name] for name in same} == {name: answer[name] for name in same}
            assert (told["part"], told["station"], told["lot"]) == ("A-17", "press1", "L4")
            assert told["regions"] == answer["regions"]
            assert told["id"] == posted.headers["webhook-id"]
            # Where it says, it is found, once it is recorded.
            found: list[dict[str, object]] = []
            while not found:
                found = (await client.get(told["inspection"])).json()["inspections"]
            assert (found[0]["request_id"], found[0]["part"]) == (told["request_id"], "A-17")


async def test_a_url_is_sent_the_verdicts_that_it_wants(
    serve, bad_part, picture_bytes, tmp_path: Path
) -> None:
    async with Receiver().listening() as receiver:
        settings = {
            "webhooks_file": webhooks(tmp_path, receiver.port, 'verdicts = ["defect"]'),
            "webhooks_private_hosts": "127.0.0.1",
            "data_folder": tmp_path / "data",
        }
        async with serve(**settings) as client:
            for part, picture in (("good", picture_bytes(50)), ("bad", bad_part)):
                headers = {"X-Takt-Part": part}
                await client.post(URL, content=picture, headers=headers)
            await until(lambda: bool(receiver.posted))
    assert [json.loads(one.body)["part"] for one in receiver.posted] == ["bad"]


async def test_a_private_url_that_no_setting_names_keeps_a_server_from_starting(
    serve, tmp_path: Path
) -> None:
    file = webhooks(tmp_path, 80)
    with pytest.raises(ConfigurationError, match="webhooks_private_hosts"):
        async with serve(webhooks_file=file, data_folder=tmp_path / "data"):
            pass


AWAY = ("mqtt", "webhook-mes")


async def test_a_broker_and_a_url_that_are_away_keep_no_answer_waiting(
    serve, bad_part, tmp_path: Path
) -> None:
    async with Receiver().listening() as receiver:
        pass
    settings = {
        "mqtt_url": f"mqtt://127.0.0.1:{receiver.port}",
        "webhooks_file": webhooks(tmp_path, receiver.port),
        "webhooks_private_hosts": "127.0.0.1",
        "data_folder": tmp_path / "data",
    }
    async with serve(**settings) as client:
        for _ in range(5):
            assert (await client.post(URL, content=bad_part)).status_code == 200
        waiting = {f'takt_outlet_kept_messages{{outlet="{one}"}} 5.0' for one in AWAY}
        while waiting:
            text = (await client.get("/metrics")).text
            waiting = {line for line in waiting if line not in text}
        outcomes = await counted(client)
        assert [outcomes[f"{one} sent"] for one in AWAY] == [5, 5]


async def test_the_result_of_a_part_is_posted_after_the_verdicts_on_its_views(
    serve, picture_bytes, tmp_path: Path, sqlite_record: Record
) -> None:
    async with Receiver().listening() as receiver:
        settings = {
            "webhooks_file": webhooks(tmp_path, receiver.port),
            "webhooks_private_hosts": "127.0.0.1",
            "data_folder": tmp_path / "data",
        }
        views = [{"name": name, "model": "parts"} for name in ("top", "side")]
        recipe = {"number": 7, "deadline_ms": 60_000, "alpha": 0.1, "views": views}
        async with serve(**settings, record=sqlite_record) as client:
            (await client.put("/v1/recipes/bracket", json=recipe)).raise_for_status()
            for view in ("top", "side"):
                path = f"/v1/parts/A-17/views/{view}?recipe=bracket"
                await client.post(path, content=picture_bytes(50))
            await until(lambda: len(receiver.posted) == 3)
            *seen, part = [json.loads(one.body) for one in receiver.posted]
            assert [one["view"] for one in seen] == ["top", "side"]
            assert (part["type"], part["part"], part["verdict"]) == ("part", "A-17", "good")
            assert [one["request_id"] for one in part["views"]] == [
                one["request_id"] for one in seen
            ]
            found = (await client.get(part["link"])).json()["part"]
            assert found["result"]["verdict"] == "good"
