"""The page Models: a threshold is moved, versions are exchanged, and texts of others stay texts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from takt.core.bundles.findings import AlphaPrice, Finding, Prices, SelfTest, SizeResult
from takt.core.bundles.manifest import Thresholds
from tests.api.keys import bearer
from tests.console.conftest import BANK, Serve, Server, log_in
from tests.tested import GRAVE

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=alert(1)>"
GREY = 140
"""Brightness of the picture that is asked: 0.55 of white, where the threshold is 0.5."""

Anomalous = Callable[[Server], bool]


@pytest.fixture
def anomalous(picture_bytes: Callable[..., bytes]) -> Anomalous:
    """Whether a server rejects one and the same picture."""
    picture = picture_bytes(GREY)

    def ask(server: Server) -> bool:
        url = f"{server.url}/v1/models/parts/inspect"
        answer = httpx.post(url, content=picture, headers=bearer("all")).raise_for_status()
        return bool(answer.json()["anomalous"])

    return ask


def open_model(page: Page, server: Server, name: str = "leader") -> None:
    page.goto(f"{server.url}/console/models/parts")
    log_in(page, name)
    expect(page.get_by_role("heading", level=1)).to_contain_text("parts, version")


def serve_ready(serve: Serve, repository: Path) -> Server:
    """A server with keys and a record, once all its versions are loaded or have failed."""
    server = serve(repository, keys=True, record=True)
    with httpx.Client(base_url=server.url, headers=bearer("leader")) as client:
        while '"loading"' in client.get("/v1/models").text:
            pass
    return server


def confirm(page: Page, reason: str) -> None:
    page.get_by_label("Why").fill(reason)
    page.get_by_label("Why").press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()


def audited(server: Server) -> list[dict[str, Any]]:
    """What people changed, the latest first."""
    answer = httpx.get(f"{server.url}/v1/audit", headers=bearer("leader")).raise_for_status()
    return [one for one in answer.json()["entries"] if one["who"] != "server"]


def test_a_threshold_moved_by_keyboard_judges_the_next_picture_and_the_audit_names_who(
    page: Page, serve: Serve, make_bundle: Any, repository: Path, anomalous: Anomalous
) -> None:
    # The map does not decide, so that the threshold of the score does.
    own = Thresholds(image=0.5, pixel=0.9, method="by hand", alpha=None, good_count=40)
    make_bundle(thresholds=own)
    server = serve_ready(serve, repository)
    assert anomalous(server)
    open_model(page, server)
    slider = page.get_by_role("slider", name="Threshold of the score")
    expect(page.get_by_role("button", name="Serve by this threshold")).to_be_disabled()
    slider.focus()
    before = float(slider.input_value())
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > before
    page.keyboard.press("ArrowLeft")
    slider.press("Tab")
    expect(page.get_by_role("button", name="Higher")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("0.6")
    expect(slider).to_have_value("0.52")  # where the slider ends
    expect(page.get_by_text("promises no share of false rejects")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    apply = page.get_by_role("button", name="Serve by this threshold")
    expect(apply).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.type("new lamp")
    page.keyboard.press("Enter")
    expect(page.get_by_text("0.600 is in force")).to_contain_text("new lamp")
    assert not anomalous(server)
    (entry,) = audited(server)
    assert (entry["who"], entry["action"]) == ("leader", "threshold_changed")
    assert (entry["new"]["image"], entry["reason"]) == (0.6, "new lamp")


def test_a_threshold_moved_by_its_slider_and_back_to_the_bundles_own(
    page: Page, serve: Serve, make_bundle: Any, repository: Path, anomalous: Anomalous
) -> None:
    own = Thresholds(image=0.6, pixel=0.6, method="conformal", alpha=0.01, good_count=40)
    make_bundle(thresholds=own)
    server = serve_ready(serve, repository)
    assert not anomalous(server)
    open_model(page, server)
    expect(page.get_by_text("about 1.0 % are rejected")).to_be_visible()
    row = page.get_by_role("row", name="Known good parts")
    expect(row).to_contain_text("0 (0.0 %)")
    slider = page.get_by_role("slider", name="Threshold of the score")
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.95 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, middle)
    page.mouse.up()
    expect(row).to_contain_text("40 (100.0 %)")
    page.get_by_role("button", name="Serve by this threshold").click()
    confirm(page, "")
    expect(page.get_by_text("why: –")).to_be_visible()
    assert anomalous(server)
    page.get_by_role("button", name="Go back to the model's own").click()
    confirm(page, "a mistake")
    expect(page.get_by_text("0.600 is in force: the model's own")).to_be_visible()
    assert not anomalous(server)
    assert [one["reason"] for one in audited(server)] == ["a mistake", None]


def test_what_a_region_rejects_is_rejected_by_each_threshold_of_the_score(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    own = Thresholds(image=0.5, pixel=0.405, method="by hand", alpha=None, good_count=40)
    make_bundle(thresholds=own)
    open_model(page, serve_ready(serve, repository))
    # Of the calibration's 40 scores from 0.1 to 0.49, as high as their peaks, 9 are over 0.405.
    row = page.get_by_role("row", name="Known good parts")
    expect(row).to_contain_text("9 (22.5 %)")


def tab_to(page: Page, wanted: Locator) -> None:
    """Go on by the Tab key until something has the focus."""
    expect(wanted).to_be_enabled()
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


def test_every_action_of_the_page_is_done_by_keyboard_alone(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    make_bundle(version="1")
    make_bundle(version="2")
    server = serve_ready(serve, repository)
    page.goto(f"{server.url}/console/models")
    log_in(page, "leader")

    def press(role: Any, name: str) -> None:
        tab_to(page, page.get_by_role(role, name=name, exact=True))
        page.keyboard.press("Enter")

    def answer(reason: str) -> None:
        expect(page.get_by_label("Why")).to_be_focused()
        page.keyboard.type(reason)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()

    press("link", "parts")
    press("link", "1")
    press("button", "Activate version 1")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Activate version 1")).to_be_focused()
    page.keyboard.press("Enter")
    answer("by keyboard")
    press("button", "Go back to version 2")
    answer("and back")
    expect(page.get_by_role("link", name="2 · active")).to_be_visible()
    tab_to(page, page.get_by_text("Numbers of"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("region", name="Scores, and what share"))
    press("button", "Lower")
    press("button", "Serve by this threshold")
    answer("one step")
    press("button", "Go back to the model's own")
    answer("")
    tab_to(page, page.get_by_text("Model card"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("The bundle has no card")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="Learn a new version"))
    done = [(one["action"], one["reason"]) for one in audited(server)]
    assert [reason for _, reason in done] == [None, "one step", "and back", "by keyboard"]


def test_another_version_is_activated_and_rolled_back(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    make_bundle(version="1")
    make_bundle(version="2")
    server = serve_ready(serve, repository)
    open_model(page, server)
    versions = page.get_by_role("navigation", name="Versions of parts")
    versions.get_by_role("link", name="1", exact=True).click()
    page.get_by_role("button", name="Activate version 1").click()
    confirm(page, "the old lamp is back")
    expect(versions.get_by_role("link", name="1 · active")).to_be_visible()
    page.get_by_role("button", name="Go back to version 2").click()
    confirm(page, "it was not")
    expect(versions.get_by_role("link", name="2 · active")).to_be_visible()
    back, activated = audited(server)
    assert (activated["who"], activated["reason"]) == ("leader", "the old lamp is back")
    assert (back["old"], back["new"], back["reason"]) == (
        activated["new"],
        activated["old"],
        "it was not",
    )


def test_what_is_asked_in_an_outage_is_not_said_to_be_asked_again(
    page: Page, serve: Serve, bundle: Any, repository: Path
) -> None:
    server = serve_ready(serve, repository)
    open_model(page, server)
    page.get_by_role("button", name="Higher").click()
    page.get_by_role("button", name="Serve by this threshold").click()
    server.process.kill()
    page.get_by_label("Why").fill("too many rejects")
    page.get_by_label("Why").press("Enter")
    told = page.get_by_role("dialog").get_by_role("alert")
    expect(told).to_contain_text("The server does not answer")
    expect(told).to_contain_text("Whether this was done is not known")


def test_going_back_leads_to_the_version_on_the_button_whatever_is_activated_meanwhile(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    for number in "123":
        make_bundle(version=number)
    server = serve_ready(serve, repository)

    def activate(version: str) -> None:
        url = f"{server.url}/v1/models/parts/versions/{version}/activate"
        httpx.post(url, headers=bearer("leader")).raise_for_status()

    activate("2")
    open_model(page, server)
    page.get_by_role("button", name="Go back to version 3").click()
    activate("1")
    dialog = page.get_by_role("dialog", name="Go back to version 3")
    expect(dialog).to_contain_text("Until now version 1 answers")
    confirm(page, "the new lamp is in")
    expect(page.get_by_role("link", name="3 · active")).to_be_visible()


def test_the_slider_is_two_clicks_from_the_root(
    page: Page, serve: Serve, bundle: Any, repository: Path
) -> None:
    page.goto(serve(repository).url)
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_role("link", name="parts").click()
    expect(page.get_by_role("slider", name="Threshold of the score")).to_be_visible()


def test_what_the_key_may_not_do_is_not_offered(
    page: Page, serve: Serve, bundle: Any, repository: Path
) -> None:
    server = serve(repository, keys=True)
    open_model(page, server, "scraper")
    expect(page.get_by_role("slider", name="Threshold of the score")).to_be_visible()
    expect(page.get_by_role("button", name="Serve by this threshold")).to_have_count(0)
    expect(page.get_by_role("link", name="Learn a new version")).to_have_count(0)
    expect(page.get_by_text("This server keeps no record")).to_be_visible()


def test_a_version_that_failed_says_why(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    make_bundle(version="1", scale=1.1)
    make_bundle(version="2")
    page.goto(f"{serve(repository).url}/console/models")
    expect(page.get_by_role("row", name="drifts from the trained model")).to_contain_text("failed")
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_text("drifts from the trained model")).to_be_visible()
    expect(page.get_by_role("button", name="Activate version 1")).to_have_count(0)


def test_texts_of_a_bundle_and_of_people_stay_texts(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    tested = SelfTest(
        pictures=1,
        sizes=(SizeResult(side_px=8, defects=2, found=1),),
        findings=(Finding(code="few_pictures", text=MARKUP, remedy=MARKUP),),
        made_at="2026-01-01T00:00:00Z",
    )
    made = make_bundle(
        version="2", family=MARKUP, variant=MARKUP, notes=(MARKUP,), self_test=tested
    )
    (made.path / "card.md").write_text(f"# {MARKUP}\n\n| a | b |\n| --- | --- |\n| {MARKUP} | c |")
    make_bundle(version="1")
    # A name that nobody may give a bundle: the folder of one that fails.
    folder = repository / MARKUP.replace("/", "") / "1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    server = serve_ready(serve, repository)
    reason = {"image": 0.7, "reason": MARKUP}
    url = f"{server.url}/v1/models/parts/threshold"
    httpx.put(url, json=reason, headers=bearer("leader")).raise_for_status()
    open_model(page, server)
    page.get_by_text("Model card").click()
    expect(page.locator("pre")).to_contain_text(f"| {MARKUP} | c |")
    expect(page.get_by_text(MARKUP)).to_have_count(5)
    page.get_by_role("link", name="All models").click()
    expect(page.get_by_text(MARKUP).first).to_be_visible()
    for address in (f"/console/models/{MARKUP}", f"/console/models/parts?version={MARKUP}"):
        page.goto(f"{server.url}{address}")
        expect(page.get_by_text(MARKUP).first).to_be_visible()
    assert page.locator("img").count() == 0


def test_another_share_of_rejects_is_taken_and_gone_back_from(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    own = AlphaPrice(alpha=0.01, image=0.5, pixel=0.5, rejected=1, made_up=30, given=44)
    more = AlphaPrice(alpha=0.05, image=0.4, pixel=0.45, rejected=9, made_up=50, given=82)
    make_bundle(
        thresholds=Thresholds(image=0.5, pixel=0.5, method="", alpha=0.01, good_count=200),
        self_test=SelfTest(
            pictures=1,
            sizes=(),
            prices=Prices(alpha=0.01, good=200, made_up=72, given=100, at=(own, more)),
            made_at="2026-01-01T00:00:00Z",
        ),
    )
    server = serve_ready(serve, repository)
    open_model(page, server)
    card = page.locator("section", has_text="What another share of rejects finds")
    expect(card).to_contain_text("it finds 82 instead of 44 of the 100 given defects")
    expect(card.locator("tr", has_text="44 (44")).to_contain_text("in force")
    card.get_by_role("button", name="Take 5").click()
    confirm(page, "more defects")
    expect(card.locator("tr", has_text="82 (82")).to_contain_text("in force")
    expect(page.locator("section.threshold")).to_contain_text("about 5.0 % are rejected")
    (entry,) = audited(server)
    assert (entry["new"]["image"], entry["new"]["pixel"]) == (0.4, 0.45)
    page.get_by_role("button", name="Go back to the model's own").click()
    confirm(page, "too many")
    expect(card.locator("tr", has_text="44 (44")).to_contain_text("in force")


def test_a_chart_has_its_numbers_as_a_table_and_takes_the_colours_of_the_theme(
    page: Page, serve: Serve, bundle: Any, repository: Path
) -> None:
    page.goto(f"{serve(repository).url}/console/models/parts")
    chart = page.get_by_role("figure", name="Scores, and what share")
    expect(chart.get_by_text("This threshold: 0.500")).to_be_visible()
    chart.get_by_text("Numbers of").click()
    rows = chart.get_by_role("row")
    expect(rows).to_have_count(41)
    shares = [float(text.rstrip(" %")) for text in rows.locator("td").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=5)
    drawn = "() => document.querySelector('.chart canvas').toDataURL()"
    before = page.evaluate(drawn)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.wait_for_function(f"before => ({drawn})() !== before", arg=before)
    page.get_by_role("link", name="Try", exact=True).click()
    expect(page.locator(".chart canvas")).to_have_count(0)


def test_a_first_version_that_waits_says_why_and_is_activated(
    page: Page, serve: Serve, make_bundle: Any, repository: Path
) -> None:
    make_bundle("nuts")
    make_bundle(self_test=GRAVE)
    server = serve_ready(serve, repository)
    page.goto(f"{server.url}/console/models")
    log_in(page, "leader")
    why = page.get_by_text("version 1 of model parts waits for an activation")
    expect(why).to_contain_text("what made_up_missed found; more pictures")
    page.get_by_role("link", name="parts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("parts, version 1")
    expect(why).to_be_visible()
    page.get_by_role("button", name="Activate version 1").click()
    expect(page.get_by_role("dialog")).to_contain_text("no version answers")
    confirm(page, "the defects here are larger")
    expect(page.get_by_role("link", name="1 · active")).to_be_visible()
    expect(why).to_be_hidden()


def test_a_url_that_models_come_from_is_told_with_what_is_wrong_there(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(BANK, store)
    model = next(path for path in sorted(store.iterdir()) if path.is_dir())
    options = ("--repository-poll-s", "0.2", "--data-folder", str(tmp_path / "data"))
    server = serve(f"file://{store}", *options)
    page.goto(f"{server.url}/console/models")
    told = page.get_by_role("status").filter(has_text=f"Models come from file://{store}")
    expect(told).to_be_visible()
    shutil.copytree(model / "1", tmp_path / "1")
    (tmp_path / "1").rename(model / "2")
    expect(told).to_contain_text(f"{model.name}/2 is not taken")
    store.rename(tmp_path / "elsewhere")
    expect(told).to_contain_text(f"there is no file://{store}")
    expect(page.get_by_role("row", name="ready, active")).to_be_visible()
