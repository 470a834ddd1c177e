"""The page Watch: what has changed, what to do about it, and what people say to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.api.keys import bearer
from tests.console.conftest import BANK, Serve, log_in
from tests.console.every_page import alarm_of
from tests.console.scene import MODEL, fade_a_lamp, work_a_shift

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def faded(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server at whose stations `mill` and `lathe` a lamp has faded."""
    folder = str(tmp_path_factory.mktemp("faded"))
    with start_server(BANK, "--record", "sqlite", "--data-folder", folder) as server:
        for station in ("mill", "lathe"):
            fade_a_lamp(server.url, station)
        yield server.url


@pytest.fixture(scope="module")
def worked(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a shift in which nothing has changed."""
    folder = str(tmp_path_factory.mktemp("worked"))
    with start_server(BANK, "--record", "sqlite", "--data-folder", folder) as server:
        work_a_shift(server.url, 1)
        yield server.url


def alarms(page: Page, station: str) -> Locator:
    """What calls at a station."""
    return page.get_by_role("article").filter(has_text=f"at {station}")


def calls(page: Page) -> Locator:
    """The number beside the page's name."""
    return page.get_by_role("navigation").get_by_role("img", name="Alarms that call")


def test_an_alarm_tells_what_changed_since_when_and_what_to_do(page: Page, faded: str) -> None:
    page.goto(f"{faded}/console/watch")
    alarm = alarms(page, "mill")
    expect(alarm.get_by_role("heading", name="Camera or light have changed")).to_be_visible()
    expect(alarm).to_contain_text("Brightness")
    expect(alarm).to_contain_text("instead of usually 122")
    expect(alarm).to_contain_text("Check the lamp")
    for text in ("Then: inspection", "Now: inspection"):
        shown = alarm.get_by_role("img", name=text)
        assert shown.evaluate("one => one.decode().then(() => one.naturalWidth)") > 200
    alarm.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Inspection")).to_be_visible()


def test_the_course_shows_the_fact_of_the_alarm_with_its_moments(page: Page, faded: str) -> None:
    page.goto(f"{faded}/console/watch")
    expect(page.get_by_role("combobox", name="What", exact=True)).to_have_value("brightness")
    chart = page.get_by_role("figure", name="Course: Brightness")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart).to_contain_text("Nine of ten good pictures: 116 – 127")
    expect(chart).to_contain_text("Alarm began")
    expect(chart).to_contain_text("Alarm found")
    page.get_by_role("combobox", name="What", exact=True).select_option("Sharpness")
    expect(page.get_by_role("figure", name="Course: Sharpness")).to_be_visible()
    assert "fact=sharpness" in page.url


def test_the_course_of_a_station_does_not_stand_under_the_name_of_the_next(
    page: Page, faded: str
) -> None:
    held: list[Route] = []
    page.route("**/v1/watch/facts/*station=lathe*", lambda route: held.append(route), times=1)
    page.goto(f"{faded}/console/watch?model={MODEL}&station=mill&fact=brightness")
    chart = page.get_by_role("figure", name="Course: Brightness")
    expect(chart.locator("canvas")).to_be_visible()
    with page.expect_request("**/v1/watch/facts/*station=lathe*"):
        page.get_by_label("Whose pictures").select_option(f"{MODEL} 1 at lathe")
    expect(chart).to_be_hidden()
    held.pop().continue_()
    expect(chart.locator("canvas")).to_be_visible()


def test_an_alarm_that_is_acknowledged_calls_nobody_and_keeps_its_note(
    page: Page, faded: str
) -> None:
    before = len(httpx.get(f"{faded}/v1/watch").json()["calling"])
    page.goto(f"{faded}/console/watch")
    expect(calls(page)).to_have_text(str(before))
    alarms(page, "mill").get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What you found").fill("lamp 2 is replaced tonight")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").filter(has_text="calls nobody any more")).to_be_visible()
    expect(alarms(page, "mill")).to_have_count(0)
    past = page.get_by_role("region", name="Alarms that call nobody")
    expect(past).to_contain_text("lamp 2 is replaced tonight")
    expect(past).to_contain_text("still stands")
    if before > 1:
        expect(calls(page)).to_have_text(str(before - 1))
    else:
        expect(calls(page)).to_have_count(0)


def test_maintenance_ends_the_alarm_and_stands_on_the_time_line(page: Page, faded: str) -> None:
    page.goto(f"{faded}/console/watch?model={MODEL}&station=lathe")
    alarms(page, "lathe").get_by_role("button", name="Maintenance is done").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What was done").fill("lamp replaced")
    dialog.get_by_role("button", name="Maintenance is done").click()
    expect(alarms(page, "lathe")).to_have_count(0)
    chart = page.get_by_role("figure", name="Course: Brightness")
    expect(chart).to_contain_text("Maintenance: ")
    expect(chart).to_contain_text("Alarm ended")
    page.get_by_text("Marks: ").click()
    expect(page.get_by_role("region", name="Marks")).to_contain_text("lamp replaced")


def test_a_shift_is_marked_on_the_page(page: Page, faded: str) -> None:
    page.goto(f"{faded}/console/watch?model={MODEL}&station=mill")
    form = page.get_by_role("form", name="Mark this moment")
    form.get_by_label("Mark this moment").select_option("Shift")
    form.get_by_label("Note").fill("late shift")
    form.get_by_role("button").click()
    expect(page.get_by_role("figure", name="Course: Brightness")).to_contain_text("Shift: ")
    (mark,) = httpx.get(f"{faded}/v1/watch/marks", params={"station": "mill"}).json()["marks"]
    assert (mark["kind"], mark["station"], mark["note"]) == ("shift", "mill", "late shift")


def test_a_snoozed_alarm_calls_again_later(page: Page, serve: Serve) -> None:
    url = serve(record=True).url
    fade_a_lamp(url, "saw")
    page.goto(f"{url}/console/watch")
    alarms(page, "saw").get_by_role("button", name="Snooze 8 h").click()
    expect(alarms(page, "saw")).to_have_count(0)
    past = page.get_by_role("region", name="Alarms that call nobody")
    expect(past).to_contain_text("snoozed until")
    expect(calls(page)).to_have_count(0)


def test_where_all_is_as_ever_it_says_what_is_watched_and_what_is_promised(
    page: Page, serve: Serve
) -> None:
    server = serve(record=True)
    page.goto(f"{server.url}/console/watch")
    expect(page.get_by_text("Nothing was inspected yet")).to_be_visible()
    work_a_shift(server.url, 1)
    expect(page.get_by_text("Camera, light and models are as ever")).to_be_visible()
    streams = page.get_by_role("region", name="What is watched")
    expect(streams.get_by_role("row", name="press-2")).to_contain_text("197 good pictures")
    expect(streams).to_contain_text("deviations is found within 50 pictures")
    expect(page.get_by_text("only judged parts tell whether it holds")).to_be_visible()
    expect(page.get_by_role("link", name="What judged parts tell")).to_be_visible()


def test_pictures_of_a_former_version_say_nothing_of_the_one_that_answers_now(
    page: Page, worked: str
) -> None:
    def former(route: Route) -> None:
        watch = route.fetch().json()
        for one in watch["streams"]:
            one["active"] = False
        route.fulfill(json=watch)

    page.route("**/v1/watch", former)
    page.goto(f"{worked}/console/watch")
    expect(page.get_by_text("The version that answers now was not watched yet")).to_be_visible()
    expect(page.get_by_text(f"What was watched are pictures of {MODEL} 1")).to_be_visible()
    expect(page.get_by_text("are as ever")).to_have_count(0)


def test_causes_that_are_no_camera_lead_to_the_rejects(page: Page, worked: str) -> None:
    def broken(route: Route) -> None:
        watch = route.fetch().json()
        for one in watch["promises"]:
            one |= {"broken": True, "promise": "proven", "promised": 0.019}
        moved = [{"fact": "rejected", "side": "high", "share": 1, "usual": 0.019, "now": 0.06}]
        unknown = [{"fact": "glitter", "side": "high", "share": 1, "usual": 1.5, "now": 2.5}]
        alarm = alarm_of(MODEL, "1", "")
        watch["calling"] = [
            alarm | {"id": 8, "cause": "promise", "moved": moved, "then_id": None, "now_id": None},
            alarm | {"id": 9, "cause": "camera", "moved": unknown, "station": "press-1"},
        ]
        route.fulfill(json=watch)

    page.route("**/v1/watch", broken)
    page.goto(f"{worked}/console/watch")
    promise = page.get_by_role("article", name="The model rejects more than it promises")
    expect(promise).to_contain_text("6.00 % rejected instead of 1.90 %")
    expect(promise).to_contain_text("No picture of then or of now is kept")
    expect(promise.get_by_role("button", name="Maintenance")).to_have_count(0)
    expect(page.get_by_text("one honest model of twenty rejects more than 1.9 %")).to_be_visible()
    expect(page.get_by_text("It rejects more than it promises.")).to_be_visible()
    camera = page.get_by_role("article", name="Camera or light have changed")
    expect(camera).to_contain_text("glitter 2.50 instead of usually 1.50")
    expect(camera).to_contain_text("Compare the two pictures")
    promise.get_by_role("link", name="Look at the rejects").click()
    expect(page.get_by_role("heading", name="Review")).to_be_visible()


def test_a_version_without_facts_says_what_adds_them(page: Page, worked: str) -> None:
    def without(route: Route) -> None:
        watch = route.fetch().json()
        for one in watch["streams"]:
            one |= {"calibrated_on": None, "least_shift": None}
        route.fulfill(json=watch)

    page.route("**/v1/watch", without)
    page.goto(f"{worked}/console/watch")
    expect(page.get_by_text("Nothing can be watched yet")).to_be_visible()
    streams = page.get_by_role("region", name="What is watched")
    expect(streams).to_contain_text("“takt calibrate” adds them")


def test_without_a_record_it_says_that_watching_needs_one(page: Page, serve: Serve) -> None:
    page.goto(f"{serve().url}/console/watch")
    expect(page.get_by_text("Watching needs the record")).to_be_visible()
    expect(page.get_by_text("takt serve --record sqlite")).to_be_visible()


def test_the_number_beside_the_name_is_of_the_server_that_is_back(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    fade_a_lamp(server.url, "saw")
    page.goto(f"{server.url}/console/live")
    expect(calls(page)).to_have_text("1")
    # A page that is not whole yet is loaded again once the server is back.
    shown = page.get_by_role("main").get_by_role("heading", level=1)
    expect(shown).to_be_visible()
    away = page.get_by_role("status").filter(has_text="The server does not answer")
    for record, number in ((False, 0), (True, 1)):
        server.process.kill()
        expect(away).to_be_visible()
        server = serve(BANK, "--port", server.url.rpartition(":")[2], record=record)
        expect(away).to_be_hidden()
        expect(shown).to_be_visible()
        expect(calls(page)).to_have_count(number)


def test_who_may_only_read_is_offered_no_answer(page: Page, serve: Serve) -> None:
    server = serve(record=True, keys=True)
    fade_a_lamp(server.url, "saw", bearer("all"))
    page.goto(f"{server.url}/console/watch")
    log_in(page, "scraper")
    expect(alarms(page, "saw")).to_contain_text("Your key may look")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(page.get_by_role("button", name="Set the mark")).to_have_count(0)


def test_an_inspection_says_how_usual_its_picture_is(page: Page, faded: str) -> None:
    dark = httpx.get(f"{faded}/v1/inspections", params={"limit": 1}).json()["inspections"][0]["id"]
    page.goto(f"{faded}/console/inspection/{dark}")
    odd = page.get_by_role("region", name="How usual this picture is")
    expect(odd.get_by_role("row", name="Brightness")).to_contain_text("darker: at most 1 of 99")
    expect(page.get_by_text(re.compile("odder than the good|at least as odd"))).to_be_visible()


def test_an_inspection_of_which_no_facts_are_known_has_no_such_section(
    page: Page, faded: str
) -> None:
    page.route("**/v1/inspections/*/facts", lambda route: route.fulfill(status=404, json={}))
    page.goto(f"{faded}/console/inspection/1")
    expect(page.get_by_text("In the record")).to_be_visible()
    expect(page.get_by_text("How usual this picture is")).to_have_count(0)
