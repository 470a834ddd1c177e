"""The page Learn: from dropped pictures to a version that is served."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from takt.core.families.every import learnable
from takt.learning.job import LearningJob
from takt.learning.wish import Wish
from tests.api.keys import secret
from tests.console.conftest import Serve, Server, choose, log_in
from tests.fake_learn import RESULT

pytestmark = pytest.mark.browser

LEARNED_WITHIN_MS = 600_000
"""Learning lets everybody else go first, so that a busy machine takes minutes."""


def part(seed: int, *, high: int = 200) -> bytes:
    """A picture of a part: a pattern that is a little different each time."""
    rng = np.random.default_rng((seed, high))
    pattern = np.random.default_rng(0).integers(0, high, (12, 16, 3)).astype(np.int16)
    coarse = np.clip(pattern + rng.integers(-12, 13, pattern.shape), 0, 255).astype(np.uint8)
    picture = cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", picture)[1].tobytes()


def drop(page: Page, pictures: list[bytes]) -> None:
    """Drop files on the page, as a person does from a folder."""
    encoded = [base64.b64encode(picture).decode() for picture in pictures]
    transfer = page.evaluate_handle(
        """(all) => {
            const transfer = new DataTransfer();
            for (const [index, one] of all.entries()) {
                const data = Uint8Array.from(atob(one), (letter) => letter.charCodeAt(0));
                const name = `<b>part</b> ${index}.png`;
                transfer.items.add(new File([data], name, { type: "image/png" }));
            }
            return transfer;
        }""",
        encoded,
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": transfer})


@pytest.fixture
def serve_learning(serve: Serve, bundle: Any, repository: Path, tmp_path: Path) -> Any:
    """Serves a repository of one model, `parts`, with its data in a folder of the test."""

    def start(*options: str, **given: Any) -> Server:
        return serve(repository, "--data-folder", str(tmp_path / "data"), *options, **given)

    return start


def begin(page: Page, server: Server, name: str, **fields: str) -> None:
    page.goto(f"{server.url}/console/learn")
    page.get_by_label("Model (a new name").fill(name)
    if fields:
        page.get_by_text("More", exact=True).click()
    for label, value in fields.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Gather pictures").click()


def tab_to(page: Page, wanted: Locator) -> None:
    """Press the Tab key until something has the focus; it must not be far."""
    for _ in range(8):
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    expect(wanted).to_be_focused()


def versions(server: Server, name: str) -> dict[str, Any]:
    model: dict[str, Any] = httpx.get(f"{server.url}/v1/models/{name}").raise_for_status().json()
    return model


def become_a_version(page: Page, server: Server) -> None:
    """Drop thirty pictures and a copy, and wait until version 1 of `bolts` answers."""
    begin(page, server, "bolts", Size="64")
    drop(page, [part(seed) for seed in range(30)] + [part(0)])
    expect(page.get_by_text("Pictures: 30 (")).to_be_visible()
    expect(page.get_by_text("Copies left out: 1.")).to_be_visible()
    page.get_by_role("button", name="Learn", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.reload()
    step = page.locator("[aria-current=step]")
    expect(step).to_contain_text("Fit the detector", timeout=LEARNED_WITHIN_MS)
    expect(page.get_by_text("Version 1 is active and answers")).to_be_visible(
        timeout=LEARNED_WITHIN_MS
    )


@pytest.mark.timeout(1800)
def test_thirty_dropped_pictures_become_a_version_that_is_served(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning()
    become_a_version(page, server)
    expect(page.get_by_text("30 pictures, 80 x 60")).to_be_visible()
    assert "bolts" in [one["name"] for one in httpx.get(f"{server.url}/v1/models").json()["models"]]
    answer = httpx.post(f"{server.url}/v1/models/bolts/inspect", content=part(3))
    assert (answer.status_code, answer.json()["version"]) == (200, "1")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_dropped_pictures_are_added_to_a_version_and_the_update_is_activated(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning(record=True)
    become_a_version(page, server)
    page.get_by_role("button", name="Learn another one").click()
    page.get_by_label("Model (a new name").fill("bolts")
    expect(page.get_by_role("radio", name="Add the pictures to version 1")).to_be_checked()
    page.get_by_role("button", name="Gather pictures").click()
    drop(page, [part(seed, high=150) for seed in range(8)])
    page.get_by_role("button", name="Learn", exact=True).click()
    expect(page.get_by_text("Version 2 is loaded and waits")).to_be_visible(
        timeout=LEARNED_WITHIN_MS
    )
    compared = page.get_by_role("status").filter(has_text="Before and after")
    expect(compared.get_by_role("paragraph")).to_have_count(2)
    assert versions(server, "bolts")["active"] == "1"
    page.get_by_role("button", name="Activate version 2").click()
    page.get_by_label("Why").fill("the dark shift")
    page.get_by_label("Why").press("Enter")
    expect(page.get_by_text("Version 2 is active and answers")).to_be_visible()
    assert versions(server, "bolts")["active"] == "2"
    actions = [one["action"] for one in httpx.get(f"{server.url}/v1/audit").json()["entries"]]
    assert actions.count("version_learned") == 2
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("bolts, version 2")


class Told:
    """What a server says of its learnings, for pages: those that a test names, and no others."""

    def __init__(self, *jobs: dict[str, Any]) -> None:
        self.jobs = list(jobs)
        self.asked: list[tuple[str, Any]] = []

    def tell(self, page: Page) -> None:
        """Answer a page in the server's place."""
        page.route("**/v1/learning", self._list)
        page.route("**/v1/learning/*", self._forget)
        page.route("**/v1/learning/*/start", self._start)

    def _list(self, route: Route) -> None:
        if route.request.method == "POST":
            self.asked.append(("POST", route.request.post_data_json))
            job = LearningJob(Wish(**route.request.post_data_json), "ann", id="8")
            self.jobs.insert(0, {**asdict(job.wish), **asdict(job), "log": []})
            route.fulfill(status=201, json=self.jobs[0])
            return
        bounds = {"pictures": 5000, "bytes": 8_000_000_000}
        found = {"jobs": self.jobs, "obstacles": [], "signing": None, "bounds": bounds}
        route.fulfill(json=found)

    def _start(self, route: Route) -> None:
        self.jobs[0]["state"] = "running"
        route.fulfill(json=self.jobs[0])

    def _forget(self, route: Route) -> None:
        number = route.request.url.rpartition("/")[2]
        self.asked.append((route.request.method, number))
        found = [job for job in self.jobs if job["id"] == number]
        if not found:
            detail = f"this server has no learning {number}"
            problem = {"title": "No such learning", "detail": detail, "code": "learning_not_found"}
            route.fulfill(status=404, json=problem, content_type="application/problem+json")
            return
        self.jobs.remove(found[0])
        route.fulfill(json=found[0])


def learned(number: str, model: str = "bolts", **more: Any) -> dict[str, Any]:
    """A learning that has made a version."""
    job = LearningJob(Wish(model), "ann", id=number, state="done")
    job.take(RESULT)
    assert job.learned is not None
    told = {**asdict(job.learned), "standing": "active", "reason": None} | more
    return {**asdict(job.wish), **asdict(job), "log": [], "learned": told}


def another(page: Page) -> Locator:
    return page.get_by_role("button", name="Learn another one")


def test_learning_another_one_shows_the_form_and_no_learning_as_lost(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    told = Told(learned("7"))
    told.tell(page)
    page.goto(f"{serve_learning().url}/console/learn")
    another(page).click()
    expect(page.get_by_role("button", name="Gather pictures")).to_be_visible()
    expect(page.get_by_text("The learning is gone")).to_have_count(0)
    assert told.asked == [("DELETE", "7")]


def test_advice_is_a_button_that_learns_again_from_the_pictures_that_are_there(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    missed = "the model finds 3 of 72 made-up defects; do not serve it so: a higher alpha"
    advised = {"findings": [missed], "advice": [{"setting": "alpha", "value": 0.05}]}
    told = Told(learned("7", **advised) | {"size": "64"})
    told.tell(page)
    page.goto(f"{serve_learning().url}/console/learn")
    page.get_by_role("button", name="with up to 5 % of good parts rejected").click()
    expect(page.get_by_role("heading", name="Learning bolts")).to_be_visible()
    ((method, wish),) = told.asked
    assert method == "POST"
    assert {key: value for key, value in wish.items() if value} == {
        **{"model": "bolts", "family": "patchcore", "size": "64"},
        **{"alpha": 0.05, "pictures_of": "7"},
    }


def test_advice_for_pictures_that_are_gone_has_no_button(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    advised = {"advice": [{"setting": "alpha", "value": 0.05}]}
    Told(learned("7", **advised) | {"pictures_kept": False}).tell(page)
    page.goto(f"{serve_learning().url}/console/learn")
    expect(another(page)).to_be_visible()
    expect(page.get_by_role("button", name="Learn again")).to_have_count(0)


def test_a_version_that_waits_is_compared_with_the_one_before_and_activated(
    page: Page, serve_learning: Callable[..., Server], make_bundle: Any
) -> None:
    make_bundle(version="2")
    told = Told(learned("7", "parts", standing="waiting"))
    told.tell(page)
    server = serve_learning()
    while versions(server, "parts")["active"] != "2":
        pass
    page.goto(f"{server.url}/console/learn")
    expect(page.get_by_text("Version 1 is loaded and waits")).to_be_visible()
    compared = page.get_by_role("status").filter(has_text="Before and after")
    expect(compared.get_by_role("paragraph")).to_have_count(2)
    page.get_by_role("button", name="Activate version 1").click()
    page.get_by_label("Why").fill("the dark shift")
    with page.expect_response("**/v1/models/parts/**"):
        page.get_by_label("Why").press("Enter")
    assert versions(server, "parts")["active"] == "1"
    told.jobs[0]["learned"]["standing"] = "active"
    expect(page.get_by_text("Version 1 is active and answers")).to_be_visible()
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("parts, version 1")


def test_where_a_version_answers_pictures_are_added_to_it_unless_somebody_says_otherwise(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning()
    page.goto(f"{server.url}/console/learn")
    page.get_by_label("Model (a new name").fill("parts")
    expect(page.get_by_role("radio", name="Add the pictures to version 1")).to_be_checked()
    page.get_by_role("button", name="Gather pictures").click()
    expect(page.get_by_text("Pictures: 0 (")).to_be_visible()
    (job,) = httpx.get(f"{server.url}/v1/learning").json()["jobs"]
    assert job["update"]


def test_learning_another_one_passes_over_what_was_learned_before(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    Told(learned("7"), learned("6", "nuts")).tell(page)
    page.goto(f"{serve_learning().url}/console/learn")
    another(page).click()
    expect(page.get_by_role("button", name="Gather pictures")).to_be_visible()


def test_what_another_tab_has_forgotten_is_no_loss_and_no_error(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    told = Told(learned("7"))
    told.tell(page)
    page.goto(f"{serve_learning().url}/console/learn")
    expect(another(page)).to_be_visible()
    told.jobs.clear()
    another(page).click()
    expect(page.get_by_role("button", name="Gather pictures")).to_be_visible()
    expect(page.get_by_text("this server has no learning")).to_have_count(0)
    expect(page.get_by_text("The learning is gone")).to_have_count(0)


def test_a_version_that_was_made_is_no_loss_when_its_learning_is_forgotten_elsewhere(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    told = Told(learned("7"))
    told.tell(page)
    page.clock.install()
    page.goto(f"{serve_learning().url}/console/learn")
    expect(another(page)).to_be_visible()
    told.jobs.clear()
    page.clock.run_for(6000)
    expect(page.get_by_role("button", name="Gather pictures")).to_be_visible()
    expect(page.get_by_text("The learning is gone")).to_have_count(0)


@pytest.mark.parametrize("state", ["collecting", "running", "failed"])
def test_a_learning_that_is_gone_before_it_has_made_a_version_is_told_as_lost(
    page: Page, serve_learning: Callable[..., Server], state: str
) -> None:
    told = Told(learned("7") | {"state": state, "learned": None})
    told.tell(page)
    page.clock.install()
    page.goto(f"{serve_learning().url}/console/learn")
    expect(page.get_by_role("heading", name="bolts")).to_be_visible()
    told.jobs.clear()
    page.clock.run_for(6000)
    expect(page.get_by_text("The learning is gone")).to_be_visible()


@pytest.fixture
def without_model(serve: Serve, tmp_path: Path) -> Server:
    """A server that has no model yet, and may learn one."""
    (empty := tmp_path / "empty").mkdir()
    return serve(empty, "--data-folder", str(tmp_path / "data"), told="has no model yet")


def test_a_server_without_a_model_leads_to_its_first_one(page: Page, without_model: Server) -> None:
    server = without_model
    assert httpx.get(f"{server.url}/health/ready").status_code == 503
    page.goto(server.url)
    expect(page.get_by_text("This server has no model yet")).to_be_visible()
    for name in ("Try", "Models"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_text("This server has no model yet")).to_be_visible()
    page.get_by_role("link", name="Health", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Health")
    page.get_by_role("link", name="Live", exact=True).click()
    page.get_by_role("link", name="Learn the first model").click()
    page.get_by_label("Model (a new name").fill("bolts")
    page.get_by_role("button", name="Gather pictures").click()
    expect(page.get_by_role("heading", name="Pictures of good parts for bolts")).to_be_visible()


@pytest.mark.slow
def test_a_server_without_a_model_answers_by_its_first_one_without_a_restart(
    page: Page, without_model: Server
) -> None:
    server = without_model
    begin(page, server, "bolts", Size="64")
    drop(page, [part(seed) for seed in range(8)])
    page.get_by_role("button", name="Learn", exact=True).click()
    expect(page.get_by_text("Version 1 is active and answers")).to_be_visible(
        timeout=LEARNED_WITHIN_MS
    )
    assert httpx.get(f"{server.url}/health/ready").status_code == 200
    page.get_by_role("link", name="Try", exact=True).click()
    expect(page.get_by_role("button", name="Drop pictures here")).to_be_visible()
    expect(page.get_by_text("This server has no model yet")).to_have_count(0)


def test_who_may_not_learn_is_told_who_may_where_there_is_no_model(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    (empty := tmp_path / "empty").mkdir()
    server = serve(empty, keys=True, told="has no model yet")
    page.goto(f"{server.url}/console/live")
    log_in(page, "scraper")
    notice = page.get_by_role("status").filter(has_text="This server has no model yet")
    expect(notice).to_contain_text("the scope “operate”")
    expect(page.get_by_role("link", name="Learn the first model")).to_have_count(0)


def test_a_learning_is_begun_and_cancelled_by_keyboard_and_leaves_nothing_behind(
    page: Page, serve_learning: Callable[..., Server], repository: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{seed}.png" for seed in range(6)]
    for seed, file in enumerate(files):
        file.write_bytes(part(seed))
    server = serve_learning()
    page.goto(f"{server.url}/console/learn")
    expect(page.get_by_label("Model (a new name")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="To the content"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Model (a new name"))
    page.keyboard.type("bolts")
    tab_to(page, page.get_by_role("button", name="Gather pictures"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pictures of good parts for bolts")).to_be_visible()
    tab_to(page, page.get_by_label("Pictures of good parts", exact=True))
    choose(page, *files)
    learn = page.get_by_role("button", name="Learn", exact=True)
    expect(learn).to_be_enabled()
    tab_to(page, learn)
    page.keyboard.press("Enter")
    expect(page.locator("[aria-current=step]")).to_be_visible(timeout=LEARNED_WITHIN_MS)
    tab_to(page, page.get_by_role("button", name="Cancel"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Gather pictures")).to_be_visible()
    assert not (repository / "bolts").exists()
    assert not any((tmp_path / "data" / "learning").iterdir())


def test_what_is_no_picture_is_told_by_its_name(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    begin(page, serve_learning(), "bolts")
    drop(page, [part(1), b"<img src=x onerror=alert(1)>"])
    expect(page.get_by_text("<b>part</b> 1.png: the body is a text such as SVG")).to_be_visible()
    expect(page.get_by_text("Pictures: 1 (")).to_be_visible()


@pytest.mark.slow
def test_too_few_pictures_are_not_learned_and_stay_for_another_try(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    begin(page, serve_learning(), "bolts", Size="64")
    drop(page, [part(1)])
    page.get_by_role("button", name="Learn", exact=True).click()
    expect(page.get_by_text("It was not learned")).to_be_visible(timeout=LEARNED_WITHIN_MS)
    expect(page.get_by_text("Pictures: 1 (")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("button", name="Gather pictures")).to_be_visible()


def test_pictures_that_are_on_their_way_in_an_outage_come_when_it_is_over(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning()
    begin(page, server, "bolts")
    expect(page.get_by_role("button", name="Learn", exact=True)).to_be_visible()
    lost: list[Route] = []
    page.route(
        "**/v1/learning/*/pictures?*",
        lambda route: route.continue_() if len(lost) == 2 else (lost.append(route), route.abort()),
    )
    drop(page, [part(seed) for seed in range(6)])
    expect(page.get_by_text("Pictures: 6 (")).to_be_visible()
    expect(page.get_by_text("Not taken")).to_have_count(0)
    assert len(lost) == 2


def test_a_camera_of_the_browser_takes_pictures_by_keyboard(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    begin(page, serve_learning(), "bolts")
    page.get_by_role("button", name="Camera of this browser").press("Enter")
    shoot = page.get_by_role("button", name="Take a picture")
    expect(shoot).to_be_enabled()
    shoot.press("Enter")
    expect(page.get_by_text("Pictures: 1 (")).to_be_visible()


def test_a_learning_whose_server_was_killed_has_failed_and_keeps_its_pictures(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning()
    begin(page, server, "bolts")
    drop(page, [part(1)])
    expect(page.get_by_text("Pictures: 1 (")).to_be_visible()
    server.process.kill()
    expect(page.get_by_text("The server does not answer").first).to_be_visible()
    serve_learning("--port", server.url.rpartition(":")[2])
    expect(page.get_by_text("It was not learned")).to_be_visible()
    expect(page.get_by_text("Pictures: 1 (")).to_be_visible()
    expect(page.get_by_role("button", name="Learn", exact=True)).to_be_enabled()


def test_who_may_not_learn_is_offered_nothing_and_sees_what_is_learned(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning(keys=True)
    asked = {"authorization": f"Bearer {secret('leader')}"}
    made = httpx.post(f"{server.url}/v1/learning", json={"model": "bolts"}, headers=asked)
    assert made.status_code == 201
    page.goto(f"{server.url}/console/learn")
    log_in(page, "scraper")
    expect(page.get_by_text("lacks the scope “operate”")).to_be_visible()
    expect(page.get_by_role("heading", name="Pictures of good parts for bolts")).to_be_visible()
    expect(page.locator("main").get_by_role("button")).to_have_count(0)


def test_a_family_is_chosen_by_what_it_is_good_for_and_only_what_is_trained_takes_minutes(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning()
    page.goto(f"{server.url}/console/learn")
    page.get_by_label("Model (a new name").fill("bolts")
    page.get_by_text("More", exact=True).click()
    families = page.get_by_role("group", name="Family").get_by_role("radio")
    expect(families).to_have_count(len(learnable()))
    expect(families.first).to_be_checked()
    minutes = page.get_by_label("Minutes of training")
    expect(minutes).to_have_count(0)
    page.get_by_role("radio", name="EfficientAD is a network").check()
    minutes.fill("3")
    page.get_by_role("button", name="Gather pictures").click()
    expect(page.get_by_text("Pictures: 0 (")).to_be_visible()
    (job,) = httpx.get(f"{server.url}/v1/learning").json()["jobs"]
    assert (job["family"], job["minutes"]) == ("efficientad", 3)


def test_what_keeps_a_server_from_learning_is_told_with_what_to_install(
    page: Page, serve_learning: Callable[..., Server]
) -> None:
    server = serve_learning()
    detail = "install it there: pip install 'torch>=2.9'"
    found = {
        "jobs": [],
        "obstacles": [{"code": "exporter_missing", "detail": detail}],
        "signing": None,
        "bounds": {"pictures": 1, "bytes": 1},
    }
    page.route("**/v1/learning", lambda route: route.fulfill(json=found))
    page.goto(f"{server.url}/console/models")
    page.get_by_role("link", name="Learn a model").click()
    expect(page.get_by_text("the exporter is not installed")).to_be_visible()
    expect(page.get_by_text(detail)).to_be_visible()
    expect(page.get_by_role("button", name="Gather pictures")).to_have_count(0)
