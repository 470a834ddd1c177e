"""A verdict is judged where it is seen: by one click, and with a box and a kind by who likes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.console.conftest import Serve, Server, log_in
from tests.console.seeding import seed
from tests.console.test_inspection import get, inspected
from tests.console.test_review import become, grid, judged, tile
from tests.console.test_try import drop, is_drawn, pane, pixels
from tests.workers import eventually

pytestmark = pytest.mark.browser

SIZE = (640, 480)
WRONG, GOOD = "This is wrong: there is a defect", "This is wrong: the part is good"
KEPT = ("--keep", "rejects,sample=1")
MARKED = "Dashed boxes were marked by people"


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def history(server: Server, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = get(server, f"/v1/inspections/{number}/judgements")
    return found


def numbers_of(server: Server) -> tuple[int, ...]:
    """The numbers of the inspections."""
    return tuple(one["id"] for one in get(server, "/v1/inspections?limit=10")["inspections"])


def said(server: Server, *numbers: int) -> list[str]:
    """What was said of some inspections, or of all."""
    numbers = numbers or numbers_of(server)
    return [one["judgement"] for number in numbers for one in history(server, number)["said"]]


def stands(server: Server, *numbers: int) -> list[tuple[str, str | None, list[int] | None]]:
    """What stands of some inspections, or of all: judgement, kind and box."""
    numbers = numbers or numbers_of(server)
    standing = [one for number in numbers for one in history(server, number)["standing"]]
    return [(one["judgement"], one["kind"], one["box"]) for one in standing]


def pointed_at(page: Page) -> tuple[int, int]:
    """The pixel that the page says the pointer is on."""
    output = page.locator(".picture-tools output")
    expect(output).to_have_text(re.compile(r"^x \d+"))
    found = re.match(r"x (\d+), y (\d+):", output.inner_text())
    assert found is not None
    return int(found[1]), int(found[2])


def draw(page: Page, canvas: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from one share of a canvas to another."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    for share, then in ((start, page.mouse.down), (end, page.mouse.up)):
        page.mouse.move(box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"])
        then()


def fields(page: Page) -> list[int]:
    """The box as the fields have it."""
    group = page.get_by_role("group", name="Box, in pixels")
    return [int(group.get_by_label(name).input_value()) for name in ("X", "Y", "Width", "Height")]


def begin_to_mark(page: Page, canvas: Locator) -> None:
    """Press the button, and wait for the picture and for the form, which moves it."""
    button(page, "Mark a defect").click()
    expect(canvas).to_be_focused()
    expect(canvas).to_have_attribute("data-whole", "")


@pytest.fixture
def tried(page: Page, serve: Serve, bundle: Any, repository: Path, picture_bytes: Any) -> Server:
    """A part of 640 × 480 pixels that passed on the page Try, whose picture is kept."""
    server = serve(repository, *KEPT, record=True)
    page.goto(f"{server.url}/console/try")
    drop(page, "part.png", picture_bytes(50, size=SIZE))
    expect(button(page, WRONG)).to_be_visible()
    return server


def test_one_click_says_that_a_defect_was_missed_and_another_takes_it_back(
    page: Page, tried: Server
) -> None:
    button(page, WRONG).click()
    expect(page.get_by_text("You said: there is a defect.")).to_be_visible()
    assert stands(tried) == [("defect", None, None)]
    button(page, "Undo").click()
    expect(button(page, WRONG)).to_be_visible()
    assert said(tried) == ["defect", "withdrawn"]


def test_a_box_is_drawn_by_mouse_on_a_picture_that_is_zoomed_and_moved(
    page: Page, tried: Server
) -> None:
    canvas = pane(page, "Picture")
    begin_to_mark(page, canvas)
    for key in ("+", "+", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    corners = []
    for share in ((0.3, 0.4), (0.6, 0.7)):
        box = canvas.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"])
        corners.append(pointed_at(page))
        (page.mouse.up if len(corners) > 1 else page.mouse.down)()
    (left, top), (right, bottom) = corners
    wanted = [left, top, right + 1 - left, bottom + 1 - top]
    assert fields(page) == wanted and left > SIZE[0] // 4
    page.get_by_label("Kind of defect").fill("scratch")
    button(page, "Save").click()
    expect(page.get_by_text("You said: there is a defect.")).to_be_visible()
    assert stands(tried) == [("defect", "scratch", wanted)]
    expect(pane(page, "Overlay")).to_have_accessible_name(re.compile("1 marked by people"))


def test_a_box_is_pulled_by_its_corner_moved_from_within_and_drawn_anew_from_outside(
    page: Page, tried: Server
) -> None:
    canvas = pane(page, "Picture")
    begin_to_mark(page, canvas)
    draw(page, canvas, (0.2, 0.2), (0.4, 0.4))
    left, top, wide, high = fields(page)
    draw(page, canvas, (0.4, 0.4), (0.6, 0.5))
    grown = fields(page)
    assert grown[:2] == [left, top] and grown[2] > 1.8 * wide and grown[3] > 1.3 * high
    draw(page, canvas, (0.3, 0.3), (0.4, 0.4))
    moved = fields(page)
    assert moved[2:] == grown[2:] and moved[0] > left and moved[1] > top
    draw(page, canvas, (0.9, 0.9), (0.8, 0.8))
    again = fields(page)
    assert again[0] > moved[0] + moved[2] and abs(again[2] - wide / 2) <= 2


def test_a_box_is_drawn_moved_and_resized_by_keys_alone(page: Page, tried: Server) -> None:
    canvas = pane(page, "Picture")
    page.keyboard.press("b")
    expect(canvas).to_be_focused()
    before = fields(page)
    assert before == [240, 180, 160, 120]
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowDown"):
        page.keyboard.press(key)
    assert fields(page) == [250, 190, 150, 130]
    expect(page.get_by_text("The box is at x 250, y 190.")).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.get_by_text("No box is drawn.")).to_be_attached()
    page.keyboard.press("Enter")
    assert fields(page) == before
    page.get_by_label("X", exact=True).fill("12")
    page.get_by_label("Width").fill("9999")
    page.get_by_label("Kind of defect").fill("dent")
    page.keyboard.press("Enter")
    expect(button(page, "Undo")).to_be_focused()
    assert stands(tried) == [("defect", "dent", [12, 180, 628, 120])]
    page.keyboard.press("Enter")
    expect(button(page, WRONG)).to_be_focused()
    assert said(tried)[-1] == "withdrawn"


def test_w_says_it_and_a_box_that_is_marked_then_stands_instead(page: Page, tried: Server) -> None:
    page.keyboard.press("w")
    expect(page.get_by_text("You said: there is a defect.")).to_be_visible()
    page.keyboard.press("b")
    button(page, "Save").click()
    become(lambda: stands(tried), [("defect", None, [240, 180, 160, 120])])
    expect(button(page, "Undo")).to_be_enabled()
    button(page, "Undo").click()
    become(lambda: stands(tried), [])


def test_a_finger_draws_and_two_of_them_still_zoom(
    new_page: Callable[..., Page], serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    page = new_page(has_touch=True)
    page.goto(f"{serve(repository, *KEPT, record=True).url}/console/try?show=picture")
    drop(page, "part.png", picture_bytes(50, size=SIZE))
    canvas = pane(page, "Picture")
    begin_to_mark(page, canvas)
    whole = pixels(canvas)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *offsets: int) -> None:
        points = [
            {"x": middle[0] + offset, "y": middle[1] + offset / 4, "id": number}
            for number, offset in enumerate(offsets)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -40)
    touch("touchMove", 40)
    touch("touchEnd")
    drawn = fields(page)
    assert drawn[2] > 2 * drawn[3] > 4
    touch("touchStart", -100)
    touch("touchStart", -100, 100)
    touch("touchMove", -160, 160)
    touch("touchEnd")
    assert fields(page) == drawn
    eventually(lambda: not np.array_equal(pixels(canvas), whole))
    assert pixels(canvas).shape == whole.shape


def test_a_record_that_is_late_is_asked_again_and_at_last_the_page_says_so(
    page: Page, tried: Server
) -> None:
    refused = {"code": "inspection_not_found", "title": "none", "detail": "ask again in a second"}
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data or "")
        if len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=404, json=refused)

    # Where the record itself is late, the page asks once more.
    eventually(lambda: numbers_of(tried))
    page.route("**/v1/inspections/judgements", answer)
    button(page, WRONG).click()
    expect(page.get_by_text("You said: there is a defect.")).to_be_visible()
    assert len(asked) == 2 and len(set(asked)) == 1
    button(page, "Undo").click()
    expect(button(page, WRONG)).to_be_enabled()
    page.unroute("**/v1/inspections/judgements")
    page.route(
        "**/v1/inspections/judgements", lambda route: route.fulfill(status=404, json=refused)
    )
    button(page, WRONG).click()
    expect(page.get_by_text("The page asks again")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The record does not have this answer yet")
    expect(button(page, WRONG)).to_be_enabled()


def test_without_a_record_no_verdict_is_judged_and_the_page_says_why(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    page.goto(f"{serve(repository).url}/console/try")
    drop(page, "part.png", picture_bytes(50))
    expect(page.get_by_text("This server keeps no record")).to_be_visible()
    expect(button(page, "This is wrong")).to_have_count(0)
    expect(button(page, "Mark a defect")).to_have_count(0)


def test_a_picture_that_was_not_kept_is_judged_and_teaches_nothing(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    page.goto(f"{serve(repository, '--keep', 'rejects', record=True).url}/console/try")
    drop(page, "part.png", picture_bytes(50))
    button(page, WRONG).click()
    expect(page.get_by_text("The picture itself was not kept")).to_be_visible()


def test_on_an_inspection_a_reject_is_good_and_boxes_of_people_are_drawn_and_listed(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, *KEPT, record=True)
    reject, passed = inspected(server, picture_bytes(200), picture_bytes(50, size=SIZE))
    page.goto(f"{server.url}/console/inspection/{reject}")
    button(page, GOOD).click()
    expect(page.get_by_text("You said: the part is good.")).to_be_visible()
    assert stands(server, reject) == [("good", None, None)]
    page.goto(f"{server.url}/console/inspection/{passed}")
    expect(button(page, WRONG)).to_be_visible()
    expect(page.get_by_text(MARKED)).to_have_count(0)
    plain = pixels(pane(page, "Picture"))
    begin_to_mark(page, pane(page, "Picture"))
    draw(page, pane(page, "Picture"), (0.3, 0.3), (0.6, 0.6))
    box = fields(page)
    page.get_by_role("form").get_by_label("Kind of defect").fill("scratch")
    page.get_by_role("form").get_by_label("Kind of defect").blur()
    page.keyboard.press("d")
    expect(page.get_by_text(MARKED)).to_be_visible()
    expect(page.get_by_role("listitem").last).to_contain_text(
        "Defect, scratch, box at {}, {}, {} × {} px".format(*box)
    )
    assert stands(server, passed) == [("defect", "scratch", box)]
    eventually(lambda: not is_drawn(page, "Picture", plain))
    button(page, "Take back").click()
    expect(button(page, WRONG)).to_be_visible()
    expect(page.locator("datalist option[value=scratch]").first).to_be_attached()


def test_in_review_a_tile_is_marked_by_mouse_and_stays_until_the_next_key(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    ids = seed(tmp_path / "data", 6)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    canvas = page.locator(".whole canvas")
    begin_to_mark(page, canvas)
    draw(page, canvas, (0.4, 0.3), (0.6, 0.5))
    box = fields(page)
    page.get_by_role("form").get_by_label("Kind of defect").fill("dent")
    button(page, "Save").click()
    expect(tile(page, ids[0])).to_contain_text("judged defect")
    become(lambda: stands(server, ids[0]), [("defect", "dent", box)])
    expect(page.locator(".whole .mark")).to_have_count(1)
    expect(page.locator(".focused [role=option]")).to_have_id(f"tile-{ids[0]}")
    expect(grid(page)).to_be_focused()
    page.get_by_role("group", name="Is the verdict right?").get_by_role(
        "button", name="Undo"
    ).click()
    expect(tile(page, ids[0])).to_contain_text("not judged")
    become(lambda: judged(server), {})


def test_in_review_a_box_by_keys_goes_with_d_and_control_z_takes_it_back(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    ids = seed(tmp_path / "data", 6)
    server = serve(record=True)
    page.goto(f"{server.url}/console/review")
    expect(button(page, "Mark a defect")).to_be_visible()
    page.keyboard.press("b")
    canvas = page.locator(".whole canvas")
    expect(canvas).to_be_focused()
    before = fields(page)
    page.keyboard.press("Shift+ArrowRight")
    assert fields(page) == [*before[:2], before[2] + 10, before[3]]
    page.keyboard.press("d")
    become(
        lambda: stands(server, ids[0]), [("defect", None, [*before[:2], before[2] + 10, before[3]])]
    )
    expect(canvas).to_have_count(0)
    expect(grid(page)).to_be_focused()
    page.keyboard.press("Control+z")
    become(lambda: judged(server), {})
    page.keyboard.press("w")
    become(lambda: judged(server), {ids[0]: "defect" if ids[0] % 3 != 1 else "good"})
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("This is wrong")


def test_who_may_only_read_may_look_and_not_judge(
    page: Page, serve: Serve, bundle, repository: Path, picture_bytes
) -> None:
    server = serve(repository, record=True, keys=True)
    (number,) = inspected(server, picture_bytes(200))
    page.goto(f"{server.url}/console/inspection/{number}")
    log_in(page, "scraper")
    expect(page.get_by_text("Your key may look.")).to_be_visible()
    expect(button(page, "This is wrong")).to_have_count(0)
    page.keyboard.press("w")
    page.keyboard.press("b")
    expect(page.get_by_role("form", name="Mark a defect")).to_have_count(0)
    assert history(server, number)["said"] == []
