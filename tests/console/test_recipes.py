"""The page Recipes: made, changed and removed by a form; a refusal stands at its field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.api.keys import bearer
from tests.console.conftest import BANK, Serve, log_in
from tests.console.scene import MODEL

pytestmark = pytest.mark.browser

VIEWS: list[dict[str, Any]] = [
    {"name": "top", "model": MODEL, "camera": {"exposure_us": 900, "light": "ring", "hdr": True}},
    {"name": "side", "model": MODEL, "thresholds": {"image": 0.41, "pixel": 1e30}},
]


def save(url: str, name: str = "bracket", **changed: Any) -> dict[str, Any]:
    """Save a recipe of two views, as somebody else; gives it as it was answered."""
    body = {"number": 7, "deadline_ms": 800, "alpha": 0.02, "views": VIEWS, **changed}
    answer = httpx.put(f"{url}/v1/recipes/{name}", json=body, headers=bearer("leader"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["recipe"])


def there(url: str, name: str = "bracket") -> dict[str, Any]:
    """A recipe as the server has it."""
    found = httpx.get(f"{url}/v1/recipes/{name}", headers=bearer("leader"))
    return dict(found.raise_for_status().json()["recipe"])


def view_of(page: Page, name: str) -> Locator:
    """The fields of a view."""
    return page.get_by_role("group", name=name, exact=True)


def press_save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def refusal(page: Page, label: str) -> Locator:
    """What is said against the field of a label, which has the focus."""
    field = page.get_by_label(label, exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    return page.locator(f"[id='{field.get_attribute('aria-describedby')}']")


def test_every_recipe_is_shown_with_its_views_and_who_changed_it_last(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    page.goto(f"{url}/console/recipes")
    expect(page.get_by_text("There is no recipe yet")).to_be_visible()
    save(url, "nut", number=9, views=VIEWS[:1])
    save(url, reason="a second camera")
    page.reload()
    cards = page.get_by_role("article")
    expect(cards).to_have_count(2)
    card = cards.first
    expect(card).to_contain_text("bracket")
    for said in ("2 %", "800 ms", "Saved by anyone", "a second camera"):
        expect(card).to_contain_text(said)
    top = card.get_by_role("row", name=re.compile("^top"))
    expect(top).to_contain_text(f"{MODEL} 1")
    expect(top).to_contain_text("calibration, at 2 % of 197 good pictures")
    expect(top).to_contain_text("exposure_us 900, light ring, hdr yes")
    side = card.get_by_role("row", name=re.compile("^side"))
    expect(side).to_contain_text("0.410")
    expect(side).to_contain_text("the score alone decides")
    expect(side).to_contain_text("set by hand")


def test_a_recipe_is_made_by_the_form_and_its_refusals_stand_at_their_fields(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    save(url, codes=["AB-*"])
    page.goto(f"{url}/console/recipes")
    page.get_by_role("link", name="New recipe").click()
    page.get_by_label("Name", exact=True).fill("bolt")
    page.get_by_label("Number", exact=True).fill("7")
    page.get_by_label("Deadline, in ms").fill("500")
    first = view_of(page, "View 1")
    first.get_by_label("View", exact=True).fill("front")
    front = view_of(page, "View front")
    expect(front.get_by_label("Version")).to_have_value("1")
    front.get_by_role("button", name="Add a setting").click()
    front.get_by_label("Name of the setting").fill("gain")
    front.get_by_label("Value of gain").fill("1.5")
    page.get_by_role("button", name="Add a view").click()
    view_of(page, "View 2").get_by_label("View", exact=True).fill("back")
    page.get_by_label("Why").fill("the new line")

    press_save(page)
    # Two views at 1 % need 199 pictures, and the model knows 197.
    told = refusal(page, "Good parts rejected at most, in %")
    expect(told).to_contain_text("needs 199")
    page.keyboard.press("Control+a")
    page.keyboard.type("2")
    press_save(page)
    expect(refusal(page, "Number")).to_contain_text("recipe 'bracket' has the number 7")
    page.keyboard.press("Control+a")
    page.keyboard.type("8")
    page.get_by_label("Codes", exact=True).fill("AC-??\nAB-*\n")
    press_save(page)
    expect(refusal(page, "Codes")).to_contain_text("recipe 'bracket' has the codes AB-*")
    page.get_by_label("Codes", exact=True).fill("AC-??")
    press_save(page)

    expect(page).to_have_url(f"{url}/console/recipes/bolt")
    saved = there(url, "bolt")
    assert (saved["number"], saved["alpha"], saved["deadline_ms"]) == (8, 0.02, 500)
    assert [one["name"] for one in saved["views"]] == ["front", "back"]
    assert saved["views"][0]["camera"] == {"gain": 1.5}
    assert saved["views"][1]["thresholds"]["alpha"] == 0.01
    assert (saved["codes"], saved["reason"]) == (["AC-??"], "the new line")


def test_a_change_keeps_what_was_not_touched_and_the_history_tells_it(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    before = save(url, codes=["AB-*"])
    page.goto(f"{url}/console/recipes/bracket")
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Deadline, in ms").fill("900")
    top = view_of(page, "View top")
    top.get_by_label("Value of exposure_us").fill("1200")
    top.get_by_role("button", name="Remove setting light").click()
    top.get_by_label("Value of hdr").select_option("no")
    page.get_by_label("Why").fill("a slower line")
    press_save(page)

    latest = page.get_by_role("listitem").filter(has_text="Revision 2")
    expect(latest).to_contain_text("a slower line")
    expect(latest).to_contain_text("Deadline: 800 ms → 900 ms")
    expect(latest).to_contain_text(
        "top, Camera: exposure_us 900, light ring, hdr yes → exposure_us 1200, hdr no"
    )
    expect(latest.get_by_role("listitem")).to_have_count(2)
    first = page.get_by_role("listitem").filter(has_text="Revision 1")
    expect(first).to_contain_text("Made, with the views top, side.")
    saved = there(url)
    same = ("number", "alpha", "codes")
    assert [saved[name] for name in same] == [before[name] for name in same]
    assert saved["views"][1] == before["views"][1]
    assert saved["views"][0]["camera"] == {"exposure_us": 1200, "hdr": False}


def test_a_view_is_added_and_another_removed(page: Page, serve: Serve) -> None:
    url = serve(record=True).url
    save(url)
    page.goto(f"{url}/console/recipes/bracket?change=1")
    page.get_by_role("button", name="Remove view top").click()
    expect(page.get_by_role("button", name="Remove view")).to_be_hidden()
    page.get_by_role("button", name="Add a view").click()
    below = view_of(page, "View 2")
    below.get_by_label("View", exact=True).fill("side")
    expect(view_of(page, "View side").get_by_text("Another view has this name")).to_be_visible()
    view_of(page, "View side").last.get_by_label("View", exact=True).fill("below")
    view_of(page, "View below").get_by_label("Set the thresholds by hand").check()
    view_of(page, "View below").get_by_label("Threshold of the score").fill("0.3")
    press_save(page)
    latest = page.get_by_role("listitem").filter(has_text="Revision 2")
    expect(latest).to_contain_text("View top removed")
    expect(latest).to_contain_text(f"View below added, by {MODEL} 1")
    side, below_saved = there(url)["views"]
    assert (side["name"], below_saved["name"]) == ("side", "below")
    assert below_saved["thresholds"]["image"] == 0.3
    assert below_saved["thresholds"]["pixel"] == 1e30


def test_what_somebody_else_has_saved_meanwhile_is_shown_and_not_overwritten(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    save(url)
    page.goto(f"{url}/console/recipes/bracket?change=1")
    page.get_by_label("Deadline, in ms").fill("900")
    save(url, deadline_ms=600, alpha=0.05, reason="the night shift")
    press_save(page)
    told = page.get_by_role("alert")
    expect(told).to_contain_text("Somebody else has saved revision 2 meanwhile")
    expect(told).to_contain_text("the night shift")
    expect(told).to_contain_text("Deadline: 800 ms → 600 ms")
    assert there(url)["deadline_ms"] == 600
    told.get_by_role("button", name="Begin again from that one").click()
    expect(page.get_by_label("Deadline, in ms")).to_have_value("600")
    page.get_by_label("Deadline, in ms").fill("900")
    press_save(page)
    expect(page).to_have_url(f"{url}/console/recipes/bracket")
    saved = there(url)
    assert (saved["revision"], saved["deadline_ms"], saved["alpha"]) == (3, 900, 0.05)


def test_what_is_there_is_replaced_only_by_a_button_that_says_so(page: Page, serve: Serve) -> None:
    url = serve(record=True).url
    save(url)
    page.goto(f"{url}/console/recipes/bracket?change=1")
    page.get_by_label("Deadline, in ms").fill("900")
    save(url, deadline_ms=600)
    press_save(page)
    page.get_by_role("button", name="Save mine in its place").click()
    expect(page).to_have_url(f"{url}/console/recipes/bracket")
    saved = there(url)
    assert (saved["revision"], saved["deadline_ms"]) == (3, 900)


def save_another_bracket(page: Page, url: str) -> None:
    """Asks for a new recipe whose name another one has."""
    save(url)
    page.goto(f"{url}/console/recipes?change=1")
    page.get_by_label("Name", exact=True).fill("bracket")
    page.get_by_label("Number", exact=True).fill("8")
    view_of(page, "View 1").get_by_label("View", exact=True).fill("front")
    press_save(page)


def test_what_begins_from_a_recipe_that_is_there_is_a_new_one_by_another_name(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    save_another_bracket(page, url)
    page.get_by_role("button", name="Begin again from that one").click()
    expect(page.get_by_label("Deadline, in ms")).to_have_value("800")
    page.get_by_label("Name", exact=True).fill("bolt")
    page.get_by_label("Number", exact=True).fill("8")
    press_save(page)
    expect(page).to_have_url(f"{url}/console/recipes/bolt")
    assert (there(url)["revision"], there(url, "bolt")["deadline_ms"]) == (1, 800)


def test_a_new_recipe_never_replaces_one_of_its_name(page: Page, serve: Serve) -> None:
    url = serve(record=True).url
    save_another_bracket(page, url)
    told = page.get_by_role("alert")
    expect(told).to_contain_text("There is a recipe of this name, at revision 1")
    page.get_by_label("Name", exact=True).fill("bolt")
    expect(told).to_be_hidden()
    press_save(page)
    expect(page).to_have_url(f"{url}/console/recipes/bolt")
    assert there(url)["number"] == 7


def test_where_thresholds_are_fixed_that_is_said_at_the_view_that_sets_some(
    page: Page, serve: Serve
) -> None:
    url = serve(BANK, "--no-threshold-changes", record=True).url
    page.goto(f"{url}/console/recipes?change=1")
    page.get_by_label("Name", exact=True).fill("bolt")
    page.get_by_label("Number", exact=True).fill("8")
    view_of(page, "View 1").get_by_label("View", exact=True).fill("front")
    view_of(page, "View front").get_by_label("Set the thresholds by hand").check()
    view_of(page, "View front").get_by_label("Threshold of the score").fill("0.3")
    press_save(page)
    told = refusal(page, "Set the thresholds by hand")
    expect(told).to_contain_text("this server's thresholds are not to be changed")


def test_an_outdated_recipe_says_so_and_is_saved_again_by_one_button(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    save(url)
    sent: list[dict[str, Any]] = []

    def outdated(route: Route) -> None:
        if route.request.method == "PUT":
            sent.append(route.request.post_data_json)
        answer = route.fetch()
        body = answer.json()
        body["recipe"]["outdated"] = [] if sent else ["top"]
        route.fulfill(response=answer, json=body)

    page.route("**/v1/recipes/bracket", outdated)
    page.goto(f"{url}/console/recipes/bracket")
    expect(page.get_by_text("Another model is in the folder of: top")).to_be_visible()
    page.get_by_role("button", name="Save again").click()
    page.get_by_role("dialog").get_by_label("Why").fill("taught anew")
    page.get_by_role("dialog").get_by_role("button", name="Save again").click()
    expect(page.get_by_text("Another model is in the folder of")).to_be_hidden()
    (body,) = sent
    assert (body["revision"], body["reason"]) == (1, "taught anew")
    thresholds = [view["thresholds"] for view in body["views"]]
    assert thresholds == [None, {"image": 0.41, "pixel": 1e30}]


def test_a_recipe_is_removed_with_a_reason_and_its_revisions_are_still_shown(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    save(url)
    page.goto(f"{url}/console/recipes/bracket")
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("dialog").get_by_label("Why").fill("no such parts any more")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("There is no recipe yet")).to_be_visible()
    page.goto(f"{url}/console/recipes/bracket")
    expect(page.get_by_text("There is no recipe bracket")).to_be_visible()
    latest = page.get_by_role("listitem").filter(has_text="Revision 2")
    expect(latest).to_contain_text("no such parts any more")
    expect(latest).to_contain_text("Removed.")


def test_earlier_revisions_are_asked_for_by_a_button(page: Page, serve: Serve) -> None:
    url = serve(record=True).url
    for deadline_ms in range(800, 822):
        save(url, deadline_ms=deadline_ms)
    page.goto(f"{url}/console/recipes/bracket")
    revisions = page.locator(".revisions > li")
    expect(revisions).to_have_count(20)
    expect(revisions.last).to_contain_text("Deadline: 801 ms → 802 ms")
    page.get_by_role("button", name="Earlier revisions").click()
    expect(revisions).to_have_count(2)
    expect(revisions.last).to_contain_text("Made")
    page.get_by_role("button", name="Later revisions").click()
    expect(revisions).to_have_count(20)


def test_whoever_may_not_change_recipes_sees_them(
    new_page: Callable[..., Page], serve: Serve
) -> None:
    url = serve(record=True, keys=True).url
    save(url)
    page = new_page()
    page.goto(f"{url}/console/recipes")
    log_in(page, "scraper")
    expect(page.get_by_role("article", name="bracket")).to_be_visible()
    expect(page.get_by_text("Your key may look.")).to_be_visible()
    expect(page.get_by_role("link", name="New recipe")).to_be_hidden()
    page.goto(f"{url}/console/recipes/bracket?change=1")
    expect(page.get_by_text("Revision 1")).to_be_visible()
    expect(page.get_by_role("button", name="Remove")).to_be_hidden()
    expect(page.get_by_role("button", name="Save")).to_be_hidden()


def test_without_a_record_the_page_says_what_is_missing(page: Page, serve: Serve) -> None:
    page.goto(f"{serve().url}/console/recipes")
    expect(page.get_by_text("Recipes need the record")).to_be_visible()


def test_what_judges_otherwise_than_its_model_says_by_how_much_and_why(
    page: Page, serve: Serve
) -> None:
    url = serve(record=True).url
    known = httpx.get(f"{url}/v1/models/{MODEL}", headers=bearer("leader")).json()
    own = next(one["thresholds"] for one in known["versions"] if one["version"] == "1")
    single = save(url, alpha=own["alpha"], views=VIEWS[:1])["views"][0]["thresholds"]
    assert (single["image"], single["pixel"]) == (own["image"], own["pixel"])
    page.goto(f"{url}/console/recipes/bracket")
    row = page.get_by_role("row", name=re.compile("^top"))
    expect(row).to_contain_text("calibration, at")
    expect(row).not_to_contain_text("instead of")
    page.get_by_role("link", name="Change", exact=True).click()
    expect(page.get_by_label("View", exact=True)).to_have_value("top")
    page.get_by_role("button", name="Add a view").click()
    page.get_by_label("Good parts rejected at most, in %").fill("2")
    for at in (0, 1):
        expect(page.get_by_role("group").filter(has_text="Camera").nth(2 * at)).to_contain_text(
            re.compile(
                r"As it stands: threshold .* instead of the model's .*, since 2 views share 2 %"
            )
        )
    assert there(url)["revision"] == 1
    page.get_by_label("View", exact=True).nth(1).fill("side")
    press_save(page)
    for name in ("top", "side"):
        said = page.get_by_role("row", name=re.compile(f"^{name}"))
        expect(said).to_contain_text(
            re.compile(r"threshold .* instead of the model's .*, since 2 views share 2 %")
        )
