"""The page Inspection: why a part was rejected, what is known of it, and what people say of it."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.keys import bearer
from tests.console.conftest import PICTURES, Serve, Server, log_in

pytestmark = pytest.mark.browser

PITTED = PICTURES / "pitting/01_200907165410_277500_315_crop_2.jpg"
MARKUP = "<img src=x onerror=alert(1)>"


def inspected(server: Server, *pictures: bytes, model: str = "parts", **query: str) -> list[int]:
    """Have pictures inspected; their numbers in the record, once it has them."""
    with httpx.Client(base_url=server.url, headers=bearer("all")) as client:
        address = f"/v1/models/{model}/inspect"
        ids = []
        for picture in pictures:
            answer = client.post(address, content=picture, params=query)
            asked = {"request_id": answer.raise_for_status().json()["request_id"]}
            deadline_s = time.monotonic() + 30
            while not (found := client.get("/v1/inspections", params=asked).json()["inspections"]):
                assert time.monotonic() < deadline_s
            ids.append(found[0]["id"])
        return ids


def get(server: Server, path: str) -> Any:
    return httpx.get(f"{server.url}{path}", headers=bearer("all")).raise_for_status().json()


def test_a_rejected_part_says_why_and_where_and_the_map_lies_on_its_picture(
    page: Page, serve: Serve
) -> None:
    server = serve(record=True)
    (number,) = inspected(server, PITTED.read_bytes(), model="pitting", part="S1050", lot="L17")
    page.goto(f"{server.url}/console/inspection/{number}")
    expect(page.locator(".verdict.large")).to_have_text("Defect")
    expect(page.locator("main")).to_contain_text(
        re.compile(
            r"Rejected: the score \d\.\d+ is over the threshold \d\.\d+; a region's peak "
            r"\d+\.\d+ is over the map's threshold \d\.\d+\. The strongest region is at "
            r"\d+, \d+\. (100\.0|99\.\d) % of the known good parts score no higher\."
        )
    )
    overlay = page.get_by_role("application", name=re.compile("^Overlay of Inspection"))
    overlay.hover()
    said = page.locator(".picture-tools output")
    expect(said).to_have_text(re.compile(r"^x \d+, y \d+: level \d.*, map \d\.\d+$"))
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("The same answer today")).to_be_visible()
    expect(page.get_by_role("link", name="S1050")).to_have_attribute(
        "href", "/console/review?kept=all&part=S1050"
    )
    expect(page.get_by_role("link", name="pitting, 1")).to_have_attribute(
        "href", "/console/models/pitting?version=1"
    )


def test_a_view_shows_its_part_and_leads_to_the_other_views(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    hand = {"image": 0.5, "pixel": 0.5}
    views = [{"name": one, "model": "parts", "thresholds": hand} for one in ("top", "side", "end")]
    with httpx.Client(base_url=server.url, headers=bearer("all")) as client:
        recipe = {"number": 7, "deadline_ms": 60_000, "views": views}
        client.put("/v1/recipes/bracket", json=recipe).raise_for_status()
        for view, level in (("top", 50), ("side", 200)):
            client.post(
                f"/v1/parts/A-17/views/{view}?recipe=bracket", content=picture_bytes(level)
            ).raise_for_status()
        client.post("/v1/parts/A-17/end").raise_for_status()
        deadline_s = time.monotonic() + 30
        while True:
            found = client.get("/v1/parts/A-17").json()["part"]["views"]
            if all(one["inspection_id"] for one in found[:2]):
                break
            assert time.monotonic() < deadline_s
    top, side = (one["inspection_id"] for one in found[:2])
    page.goto(f"{server.url}/console/inspection/{top}")
    card = page.locator(".card", has=page.get_by_role("heading", name="Part A-17"))
    expect(card).to_contain_text("No decision end has not come in time.")
    expect(card.get_by_role("row", name=re.compile("^top"))).to_contain_text("39 %")
    expect(card.get_by_role("row", name=re.compile("^end"))).to_contain_text("missing")
    expect(card).to_contain_text("Recipe bracket, revision 1")
    card.get_by_role("link", name="side").click()
    expect(page).to_have_url(re.compile(f"/console/inspection/{side}$"))
    expect(card.get_by_role("row", name=re.compile("^side"))).to_contain_text("Defect")


def test_two_clicks_from_the_beginning_say_why_a_part_was_rejected(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    inspected(server, picture_bytes(200))
    page.goto(server.url)
    page.get_by_role("link", name="Review", exact=True).click()
    page.locator("a[href='/console/inspection/1']").click()
    expect(page.locator("main")).to_contain_text(
        "Rejected: the score 0.784 is over the threshold 0.5"
    )


def test_the_witness_that_spoke_is_named_with_numbers_that_look_different(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    score = 200 / 255
    (by_map,) = inspected(server, picture_bytes(200), threshold="0.9", pixel_threshold="0.784")
    (by_score,) = inspected(server, picture_bytes(200), threshold=str(score - 1e-5))
    page.goto(f"{server.url}/console/inspection/{by_map}")
    expect(page.locator("main")).to_contain_text(
        "Rejected: a region's peak 0.7843 is over the map's threshold 0.7840."
    )
    page.goto(f"{server.url}/console/inspection/{by_score}")
    expect(page.locator("main")).to_contain_text(
        "Rejected: the score 0.78431 is over the threshold 0.78430; a region's peak"
    )


def test_it_is_judged_by_single_keys_and_everybody_s_word_is_listed(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    (number,) = inspected(server, picture_bytes(200))
    page.goto(f"{server.url}/console/inspection/{number}")
    card = page.get_by_role("listitem")
    expect(card).to_have_text("Nobody has judged it.")
    page.get_by_label("Note").fill(MARKUP)
    page.get_by_label("Note").blur()
    page.keyboard.press("g")
    expect(card).to_have_text(re.compile(f"anyone: Good, {re.escape(MARKUP)}$"))
    page.get_by_label("Note").fill("")
    page.get_by_label("Kind of defect").fill("scratch")
    page.get_by_label("Kind of defect").blur()
    page.keyboard.press("d")
    expect(card.last).to_contain_text("Defect, scratch")
    assert get(server, f"/v1/inspections/{number}")["judgement"] == "defect"
    page.get_by_role("button", name="Take back").click()
    expect(card.last).to_contain_text("Taken back")
    assert get(server, f"/v1/inspections/{number}")["judgement"] == "good"
    pin = page.get_by_role("button", name="Keep the picture")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "true")
    assert get(server, f"/v1/inspections/{number}")["pinned"]


def test_who_has_looked_is_noted_by_the_name_that_was_typed_on_review(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    (number,) = inspected(server, picture_bytes(200))
    page.add_init_script("localStorage.setItem('reviewer', 'ann')")
    with page.expect_response("**/v1/inspections/seen"):
        page.goto(f"{server.url}/console/inspection/{number}")
    seen = get(server, f"/v1/inspections/{number}/judgements")["seen"]
    assert [one["reviewer"] for one in seen] == ["ann"]


def test_arrow_keys_lead_to_the_neighbours_and_an_unkept_picture_is_told(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, "--keep", "rejects", record=True)
    first, second = inspected(server, picture_bytes(200), picture_bytes(50))
    page.goto(f"{server.url}/console/inspection/{second}")
    expect(page.locator("main")).to_contain_text(
        "Passed: the score 0.196 is not over the threshold"
    )
    expect(page.get_by_text("The picture is not kept")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("main")).to_contain_text("Rejected: the score 0.784")
    assert page.url.endswith(f"/{first}")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Inspection {second}")
    page.goto(f"{server.url}/console/inspection/4711")
    expect(page.get_by_role("alert")).to_contain_text("the record has no inspection 4711")


def test_a_key_judges_no_former_inspection_while_the_next_one_is_on_its_way(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    first, second = inspected(server, picture_bytes(200), picture_bytes(50))
    held: list[Route] = []
    page.route(f"**/v1/inspections/{second}", lambda route: held.append(route), times=1)
    page.goto(f"{server.url}/console/inspection/{first}")
    expect(page.get_by_text("Nobody has judged it.")).to_be_visible()
    with page.expect_request(f"**/v1/inspections/{second}"):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("g")
    held.pop().continue_()
    expect(page.locator("main")).to_contain_text("Passed: the score 0.196")
    page.keyboard.press("d")
    expect(page.get_by_role("listitem")).to_contain_text("Defect")
    assert get(server, f"/v1/inspections/{first}")["judgement"] is None


def test_a_kept_file_that_a_browser_cannot_show_is_the_service_s_rendering(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True)
    (number,) = inspected(server, picture_bytes(20, ".tiff", spot=200))
    page.goto(f"{server.url}/console/inspection/{number}")
    expect(page.get_by_text("this is the service's rendering")).to_be_visible()
    canvas = page.get_by_role("application", name=re.compile("^Overlay of Inspection"))
    said = page.locator(".picture-tools output")
    canvas.hover(position={"x": 5, "y": 5})
    canvas.hover()
    expect(said).to_have_text(re.compile(r"^x \d+, y \d+: level \d.*, map \d\.\d+$"))


def test_texts_of_others_are_text_and_nothing_else(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    page.on("dialog", lambda _: pytest.fail("a text was run"))
    server = serve(repository, record=True)
    labels = {
        "part": MARKUP,
        "lot": MARKUP,
        "station": MARKUP,
        "tags": "note=" + MARKUP.replace("=", ":"),
    }
    (number,) = inspected(server, picture_bytes(200), **labels)
    page.goto(f"{server.url}/console/inspection/{number}")
    expect(page.get_by_role("link", name=MARKUP)).to_have_count(3)
    expect(page.get_by_role("cell", name="note = <img src:x onerror:alert(1)>")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_who_may_only_read_is_offered_no_judgement(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True, keys=True)
    (number,) = inspected(server, picture_bytes(200))
    page.goto(f"{server.url}/console/inspection/{number}")
    log_in(page, "scraper")
    expect(page.get_by_text("Nobody has judged it.")).to_be_visible()
    expect(page.get_by_role("button", name="Replay")).to_be_visible()
    expect(page.get_by_role("button", name="Keep the picture")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Defect"))).to_have_count(0)


def test_a_bundle_that_is_another_now_leaves_the_picture_with_what_was_recorded(
    page: Page, serve: Serve, make_bundle, repository: Path, picture_bytes
) -> None:
    made = make_bundle()
    server = serve(repository, record=True)
    (number,) = inspected(server, picture_bytes(20, spot=200))
    server.process.terminate()
    server.process.wait()
    shutil.rmtree(made.path)
    make_bundle(scale=0.9, trained=0.9)
    server = serve(repository, record=True)
    page.goto(f"{server.url}/console/inspection/{number}")
    expect(page.get_by_text("The map cannot be computed again")).to_be_visible()
    expect(page.get_by_role("table", name="Regions").get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("alert")).to_contain_text("put the former bundle back")
