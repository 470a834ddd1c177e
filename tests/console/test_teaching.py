"""A model is taught from the console: what waits, what will happen, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.conftest import Serve, log_in
from tests.console.test_inspection import inspected
from tests.console.test_try import drop
from tests.fake_learn import STAGES, TAUGHT

pytestmark = pytest.mark.browser

TEACHABLE = {"request_id": "1", "model": "parts", "version": "1", "made_at": None}
COUNTS = {"defects": 7, "good": 3, "missing": 2, "new": 10, "obstacle": None}
JOB = {
    **{"id": "7", "model": "parts", "update": True, "teach": True, "family": "patchcore"},
    **{"alpha": None, "minutes": None, "size": None, "device": "cpu", "by": "ann"},
    **{"state": "collecting", "created_at": "2026-03-01T12:00:00Z", "ended_at": None},
    **{"started_at": "2026-03-01T12:00:00Z", "pictures": 210, "bytes": 1, "duplicates": 0},
    **{"gathered": None, "stages": ["gather", *STAGES], "stage": "gather", "share": 0.1},
    **{"detail": "80 of 210 pictures", "warnings": [], "log": [], "error": None, "learned": None},
}
LEARNED = {
    **{"version": "2", "pictures": "210 pictures", "threshold": 0.5, "promise": "none"},
    **{"self_test": None, "findings": ["few_pictures: take more"], "compared": [], "notes": []},
    **{"standing": "waiting", "reason": None, "taught": TAUGHT, "advice": []},
}


class Desk:
    """Stands for the learnings of a server.

    Attributes:
        jobs: that it remembers.
        asked: method and path of what was asked for, and its body, but lists.
        teachable: what it says of judged pictures.
        obstacles: what keeps it from learning.
    """

    def __init__(self, page: Page) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.teachable: dict[str, Any] = TEACHABLE | COUNTS
        self.obstacles: list[dict[str, str]] = []
        page.route("**/v1/learning", self._answer)
        page.route("**/v1/learning/7**", self._answer)
        page.route("**/v1/review/teachable*", lambda route: route.fulfill(json=self.teachable))

    def _answer(self, route: Route) -> None:
        request = route.request
        path = "/v1/" + request.url.partition("/v1/")[2]
        if request.method != "GET":
            self.asked.append((request.method, path, request.post_data_json))
        if request.method == "DELETE":
            self.jobs = []
            route.fulfill(json=JOB | {"state": "cancelled"})
        elif path.endswith("/start"):
            self.become(state="running")
            route.fulfill(json=self.jobs[0])
        elif request.method == "POST":
            self.jobs = [dict(JOB)]
            route.fulfill(status=201, json=self.jobs[0])
        else:
            bounds = {"pictures": 1, "bytes": 1}
            found = {"jobs": self.jobs, "obstacles": self.obstacles, "signing": None}
            route.fulfill(json=found | {"bounds": bounds})

    def become(self, **changes: Any) -> None:
        """The job is another one from now on."""
        self.jobs = [(self.jobs or [JOB])[0] | changes]


@pytest.fixture
def desk(page: Page) -> Desk:
    return Desk(page)


@pytest.fixture
def review(
    page: Page, desk: Desk, serve: Serve, bundle: Any, repository: Path, picture_bytes: Any
) -> Callable[[], None]:
    """Opens the page Review of a record with one inspection."""
    server = serve(repository, record=True)
    inspected(server, picture_bytes(200))

    def open_it() -> None:
        page.goto(f"{server.url}/console/review")

    return open_it


def test_what_was_judged_teaches_the_model_and_the_result_is_told_with_pictures(
    page: Page, desk: Desk, review: Callable[[], None]
) -> None:
    review()
    page.get_by_role("button", name="Teach parts: 10 judged since version 1").click()
    dialog = page.get_by_role("dialog", name="Teach parts by what was judged")
    expect(dialog).to_contain_text("7 different pictures of parts a defect, and 3 good")
    expect(dialog).to_contain_text("2 judged pictures were not kept")
    expect(dialog).to_contain_text("until somebody activates the new version")
    assert desk.asked == []
    dialog.get_by_role("button", name="Teach", exact=True).click()
    expect(dialog.get_by_role("progressbar")).to_be_visible()
    expect(dialog.locator("[aria-current=step]")).to_contain_text("Gather the judged pictures")
    assert desk.asked == [
        ("POST", "/v1/learning", {"model": "parts", "teach": True}),
        ("POST", "/v1/learning/7/start", None),
    ]
    page.keyboard.press("Tab")
    assert dialog.evaluate("one => one.contains(document.activeElement)")
    desk.become(state="done", learned=LEARNED)
    expect(dialog).to_contain_text("Of 20 judged defects it finds 14. The version before finds 3.")
    rows = dialog.get_by_role("row")
    expect(rows.filter(has_text=re.compile("^Found3"))).to_have_text("Found314")
    expect(rows.filter(has_text="bank")).to_have_text("Found by the bank alone98")
    expect(dialog).to_contain_text("scratch: 12, dent: 5, no kind: 3")
    turned = dialog.get_by_role("listitem").filter(has_text="Inspection 12")
    expect(turned).to_contain_text("Score 1.25 (threshold 2.50) before, 3.50 (threshold 3.00)")
    expect(turned.get_by_role("link")).to_have_attribute("href", "/console/inspection/12")
    expect(turned.locator("img")).to_have_attribute("src", "/v1/inspections/12/thumbnail")
    expect(dialog.get_by_text("by chance in")).to_have_count(0)
    expect(dialog.get_by_text("few_pictures: take more")).to_be_visible()
    activate = dialog.get_by_role("link", name="Look at version 2 and activate it")
    expect(activate).to_have_attribute("href", "/console/models/parts?version=2")
    doubt = dialog.get_by_role("listitem").filter(has_text="it looks like the good ones")
    doubt.get_by_role("link", name="Judge again: Inspection 7").click()
    expect(page).to_have_url(re.compile("/console/inspection/7$"))
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            {"found": 7, "compared": 5, "found_before": 1, "found_after": 3},
            "Of 20 judged defects it finds 7. The version before was taught with 15 of them and "
            "knows them by heart. Of the other 5 it finds 1, and the new one 3.",
        ),
        (
            {"found": 7, "compared": 0, "found_before": 0, "found_after": 0},
            "Of 20 judged defects it finds 7. The version before was taught with all of them",
        ),
    ],
)
def test_what_the_version_before_knows_by_heart_is_not_compared(
    page: Page, desk: Desk, review: Callable[[], None], told: dict[str, int], text: str
) -> None:
    taught = TAUGHT | {"turned": [], "passed": 0, "good": 0} | told
    desk.become(state="done", learned=LEARNED | {"taught": taught})
    review()
    page.get_by_role("button", name="Teach parts").click()
    dialog = page.get_by_role("dialog", name="Teach parts by what was judged")
    expect(dialog).to_contain_text(text)
    expect(dialog.get_by_role("table")).to_have_count(min(1, told["compared"]))
    expect(dialog).to_contain_text("There is no picture of a good part that neither version")


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (0.03, "by chance in 3.0 % of cases. So it is hardly chance."),
        (0.0001, "by chance in less than 0.1 % of cases. So it is hardly chance."),
        (0.25, "by chance in 25.0 % of cases. So it may be chance."),
    ],
)
def test_a_p_value_is_told_in_words(
    page: Page, desk: Desk, review: Callable[[], None], p_value: float, text: str
) -> None:
    taught = TAUGHT | {"p_value": p_value, "bank_found_before": None, "bank_found_after": None}
    desk.become(state="done", learned=LEARNED | {"taught": taught})
    review()
    page.get_by_role("button", name="Teach parts").click()
    expect(page.get_by_role("dialog")).to_contain_text(text)
    expect(page.get_by_role("row").filter(has_text="bank")).to_have_count(0)


def test_a_result_is_there_when_the_dialog_is_opened_again_and_gives_way_to_another_teaching(
    page: Page, desk: Desk, review: Callable[[], None]
) -> None:
    desk.become(state="running", stage="fit")
    review()
    teach = page.get_by_role("button", name="Teach parts")
    teach.click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.keyboard.press("Escape")
    expect(teach).to_be_focused()
    desk.become(state="done", learned=LEARNED)
    teach.click()
    expect(page.get_by_text("Version 2 is loaded and waits for its activation")).to_be_visible()
    page.get_by_role("button", name="Teach again").click()
    expect(page.get_by_role("button", name="Teach", exact=True)).to_be_enabled()
    assert [method for method, *_ in desk.asked] == ["DELETE"]


def test_what_stands_against_teaching_is_said_before_anything_begins(
    page: Page, desk: Desk, review: Callable[[], None]
) -> None:
    why = "nobody has judged a kept picture of parts a defect"
    desk.teachable = TEACHABLE | COUNTS | {"defects": 0, "new": 3, "obstacle": why}
    desk.obstacles = [{"code": "exporter_missing", "detail": "pip install 'torch>=2.9'"}]
    review()
    page.get_by_role("button", name="Teach parts: no defect is judged yet").click()
    expect(page.get_by_text(why)).to_be_visible()
    expect(page.get_by_text("pip install")).to_be_visible()
    expect(page.get_by_role("button", name="Teach", exact=True)).to_be_disabled()


def test_a_teaching_that_failed_says_why_and_is_started_again(
    page: Page, desk: Desk, review: Callable[[], None]
) -> None:
    desk.become(state="failed", error="the disk is full")
    desk.teachable = TEACHABLE | COUNTS | {"new": 0}
    review()
    page.get_by_role("button", name="Teach parts: nothing new since version 1").click()
    expect(page.get_by_text("the disk is full")).to_be_visible()
    page.get_by_role("button", name="Teach", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert desk.asked == [("POST", "/v1/learning/7/start", None)]


def test_another_learning_goes_first_and_the_page_leads_to_it(
    page: Page, desk: Desk, review: Callable[[], None]
) -> None:
    desk.become(teach=False, model="bolts")
    review()
    page.get_by_role("button", name="Teach parts").click()
    expect(page.get_by_text("A learning of bolts is under way")).to_be_visible()
    page.get_by_role("link", name="See how far it is").click()
    expect(page.get_by_role("heading", name="Learn", exact=True)).to_be_visible()


def test_of_several_models_one_is_chosen(
    page: Page, desk: Desk, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    make_bundle()
    make_bundle("bolts")
    page.goto(f"{serve(repository, record=True).url}/console/review")
    page.get_by_role("button", name="Teach a model").click()
    page.get_by_label("Which model").select_option("parts")
    expect(page.get_by_role("dialog")).to_contain_text("7 different pictures of parts a defect")


def test_the_record_says_how_many_were_judged_after_one_is_judged_on_the_page_try(
    page: Page, serve: Serve, make_bundle: Any, repository: Path, picture_bytes: Any
) -> None:
    make_bundle(family="patchcore")
    server = serve(repository, "--keep", "sample=1", record=True)
    page.goto(f"{server.url}/console/try")
    drop(page, "part.png", picture_bytes(50))
    page.get_by_role("button", name="This is wrong: there is a defect").click()
    page.get_by_role("button", name="Teach parts: 1 judged since version 1").click()
    expect(page.get_by_role("dialog")).to_contain_text("judged 1 picture of parts")


def test_the_page_learn_tells_what_was_taught(
    page: Page, desk: Desk, serve: Serve, bundle: Any, repository: Path
) -> None:
    desk.become(state="done", learned=LEARNED)
    page.goto(f"{serve(repository).url}/console/learn")
    expect(page.get_by_text("Of 20 judged defects it finds 14.")).to_be_visible()


def test_who_may_not_operate_is_not_offered_to_teach(
    page: Page, serve: Serve, bundle: Any, repository: Path, picture_bytes: Any
) -> None:
    server = serve(repository, record=True, keys=True)
    inspected(server, picture_bytes(200))
    page.goto(f"{server.url}/console/review")
    log_in(page, "scraper")
    expect(page.get_by_role("button", name="Keys")).to_be_visible()
    expect(page.get_by_role("button", name="Teach")).to_have_count(0)
