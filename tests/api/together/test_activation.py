"""Another version answers in every worker at once, or in none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from takt.core.bundles.bundle import MANIFEST, Bundle
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.repository.activation import ACTIVE
from takt.settings import Settings
from tests.api.apps import until
from tests.api.together.conftest import ServeTogether
from tests.api.together.seen import audited, counted
from tests.linked import Link, Worker, working

MODEL = "/v1/models/parts"


def activate(version: str) -> str:
    return f"{MODEL}/versions/{version}/activate"


def active(workers: tuple[Worker, ...]) -> set[str]:
    return {foundation_of(worker.app).models.repository.get("parts").version for worker in workers}


class Engines:
    """Opens engines, and remembers each by the version that it is for."""

    def __init__(self) -> None:
        self.of: dict[str, list[FakeEngine]] = {}

    def __call__(self, bundle: Bundle) -> FakeEngine:
        engine = FakeEngine()
        self.of.setdefault(bundle.manifest.version, []).append(engine)
        return engine


@pytest.fixture
def two(bundle: Bundle, make_bundle: Callable[..., Bundle]) -> Bundle:
    """Version 2, the highest, beside version 1."""
    return make_bundle(version="2")


@pytest.mark.parametrize("asked", [0, 1])
async def test_a_version_is_active_everywhere_before_the_answer_goes_out(
    serve_together: ServeTogether, two: Bundle, repository: Path, asked: int
) -> None:
    async with serve_together(3, recorded=True) as workers:
        client = workers[asked].client
        body = (await client.post(activate("1"), json={"reason": "lamp"})).json()
        assert (body["version"], body["before"], body["persisted"]) == ("1", "2", True)
        assert active(workers) == {"1"}
        kept = json.loads((repository / "parts" / ACTIVE).read_text())
        assert (kept["active"], kept["previous"]) == ("1", "2")
        for worker in workers:
            model = (await worker.client.get(MODEL)).json()
            assert (model["active"], model["previous"], model["decided"]) == ("1", "2", True)
        assert (await workers[2].client.post(f"{MODEL}/rollback")).json()["version"] == "2"
        assert active(workers) == {"2"}
        for worker in workers:
            await foundation_of(worker.app).models.watch.look()
        assert await counted(workers, "takt_model_activations_total") == 2
        noted = await audited(workers, "version_activated", least=2)
        assert [(one["who"], one["version"], one["reason"]) for one in noted] == [
            ("anyone", "1", "lamp"),
            ("anyone", "2", None),
        ]


@pytest.mark.parametrize(("asked", "spoiled"), [(0, 1), (1, 0), (0, 0), (1, 1)])
async def test_a_version_that_fails_in_one_worker_becomes_active_in_none(
    serve_together: ServeTogether, two: Bundle, repository: Path, asked: int, spoiled: int
) -> None:
    engines = Engines()
    async with serve_together(open_engine=engines, recorded=True) as workers:
        engines.of["1"][spoiled].fail = True
        refused = await workers[asked].client.post(activate("1"))
        assert (refused.status_code, refused.json()["code"]) == (500, "engine_failed")
        assert active(workers) == {"2"}
        assert not (repository / "parts" / ACTIVE).exists()
        assert await counted(workers, "takt_model_activations_total") == 0
        assert (await workers[0].client.get(MODEL)).json()["decided"] is False


async def test_a_version_that_failed_to_load_is_loaded_anew_in_every_worker(
    serve_together: ServeTogether, two: Bundle
) -> None:
    manifest = two.path / MANIFEST
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{}")
    async with serve_together() as workers:
        assert (await workers[0].client.post(activate("1"))).status_code == 200
        manifest.write_bytes(whole)
        assert (await workers[1].client.post(activate("2"))).status_code == 200
        assert active(workers) == {"2"}
        states = {one.state for w in workers for one in foundation_of(w.app).models.repository}
        assert states == {"ready"}


async def test_a_version_that_one_worker_alone_has_seen_is_looked_for_by_the_others(
    serve_together: ServeTogether, bundle: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    async with serve_together() as workers:
        make_bundle(version="2")
        await foundation_of(workers[1].app).models.watch.look_here()
        assert not foundation_of(workers[0].app).models.repository.versions_of("parts")[1:]
        assert (await workers[1].client.post(activate("2"))).status_code == 200
        assert active(workers) == {"2"}


@pytest.mark.parametrize("closed", [False, True], ids=["closing", "closed"])
async def test_a_worker_that_ends_keeps_no_activation_waiting_and_loads_nothing_for_it(
    settings: Callable[..., Settings],
    bundle: Bundle,
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
    closed: bool,
) -> None:
    link, given, engines = Link(2), settings(), Engines()
    answers = []
    async with working(given, link.join(), lambda _: FakeEngine()) as first:
        async with working(given, link.join(), engines) as ending:
            repository = foundation_of(ending.app).models.repository
            close = repository.close
            if closed:
                make_bundle(version="2")
                await foundation_of(ending.app).models.watch.look()

            async def then_activate(left_s: float) -> None:
                if closed:
                    await close(left_s)
                else:
                    make_bundle(version="2")
                    await foundation_of(first.app).models.watch.look_here()
                async with asyncio.timeout(60):
                    answers.append(await first.client.post(activate("2")))
                if not closed:
                    await close(left_s)

            monkeypatch.setattr(repository, "close", then_activate)
        assert [answer.status_code for answer in answers] == [200]
        assert active((first,)) == {"2"}
    assert len(engines.of.get("2", [])) == closed


async def test_what_is_asked_as_the_worker_that_leads_ends_is_done_by_the_next_one(
    settings: Callable[..., Settings], two: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.peers._TRIES", 10_000)
    link, given, opened = Link(2), settings(), lambda _: FakeEngine()
    async with working(given, link.join(leads=False), opened) as other:
        async with working(given, link.join(leads=True), opened) as leader:
            repository = foundation_of(leader.app).models.repository
            close, asked = repository.close, []

            async def close_while_somebody_asks(left_s: float) -> None:
                await close(left_s)
                for path in (activate("1"), f"{MODEL}/threshold"):
                    how, body = ("PUT", {"image": 0.9}) if "threshold" in path else ("POST", {})
                    asking = other.client.request(how, path, json=body)
                    asked.append(asyncio.create_task(asking))
                told = lambda: [one for one in link.told if one[1] == "order"]  # noqa: E731
                await until(lambda: len(told()) >= 2)

            monkeypatch.setattr(repository, "close", close_while_somebody_asks)
        other.peers.leading.set()
        answers = await asyncio.gather(*asked)
        assert [one.status_code for one in answers] == [200, 200], [one.text for one in answers]


async def test_a_decision_that_could_not_be_written_is_taken_by_a_worker_that_comes_later(
    settings: Callable[..., Settings], two: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("takt.repository.activation.write_atomically", read_only)
    link, given = Link(2), settings()
    async with working(given, link.join(), lambda _: FakeEngine()) as first:
        assert (await first.client.post(activate("1"))).json()["persisted"] is False
        async with working(given, link.join(), lambda _: FakeEngine()) as second:
            await foundation_of(second.app).models.watch.look()
            assert active((first, second)) == {"1"}
            assert (await second.client.post(f"{MODEL}/rollback")).json()["version"] == "2"
            assert active((first, second)) == {"2"}


async def test_a_version_that_comes_is_announced_once_and_waits_in_every_worker(
    serve_together: ServeTogether,
    bundle: Bundle,
    make_bundle: Callable[..., Bundle],
    repository: Path,
) -> None:
    async with serve_together(recorded=True) as workers:
        make_bundle(version="2")
        await foundation_of(workers[1].app).models.watch.look()
        assert active(workers) == {"1"}
        noted = await audited(workers, "version_added")
        assert [one["version"] for one in noted] == ["2"]
        async with asyncio.timeout(60):
            while not (repository / "parts" / ACTIVE).exists():
                await asyncio.sleep(0.01)
        assert json.loads((repository / "parts" / ACTIVE).read_text())["active"] == "1"


async def test_what_is_not_there_cannot_be_activated_by_any_worker(
    serve_together: ServeTogether, two: Bundle
) -> None:
    async with serve_together() as workers:
        for worker in workers:
            assert (await worker.client.post(activate("7"))).status_code == 404
            refused = await worker.client.post(f"{MODEL}/rollback")
            assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_two_activations_at_two_workers_at_once_leave_all_alike(
    serve_together: ServeTogether, two: Bundle
) -> None:
    async with serve_together() as workers:
        await asyncio.gather(
            *(
                worker.client.post(activate(version))
                for _ in range(3)
                for worker, version in zip(workers, ("1", "2"), strict=True)
            )
        )
        assert len(active(workers)) == 1
