"""The page Health: numbers that move, and what is wrong for as long as it is."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.conftest import BANK, PICTURES, Serve, Server, log_in
from tests.manifests import rewrite_manifest
from tests.tested import GRAVE

pytestmark = pytest.mark.browser

MODEL = next(path.name for path in sorted(BANK.iterdir()) if path.is_dir())


def inspect(server: Server, picture: bytes) -> None:
    """Ask for a picture, whatever the answer is."""
    url = f"{server.url}/v1/models/{MODEL}/inspect"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=picture)) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()


def tile(page: Page, name: str):
    """The tile of a number."""
    return page.locator(".tiles div").filter(has_text=name)


def answer_with(route: Route, conditions: list[tuple[str, bool, str]]) -> None:
    """Answer as the server does, but with these conditions: severity or name, firing, model."""
    status = route.fetch().json()
    status["conditions"] = [
        {
            "name": kind if kind.startswith("Takt") else f"Takt{number}",
            "severity": "critical" if kind.startswith("Takt") else kind,
            "firing": firing,
            "since": status["at"],
            "for_s": 120,
            "labels": {"model": model},
            "text": f"{model} fails.",
            "page": "docs/operations.md",
            "anchor": "takt",
        }
        for number, (kind, firing, model) in enumerate(conditions)
    ]
    route.fulfill(body=json.dumps(status), content_type="application/json")


def test_what_the_watch_found_leads_to_its_page(page: Page, serve: Serve) -> None:
    found = [("TaktCameraChanged", True, MODEL)]
    page.route("**/v1/status", lambda route: answer_with(route, found))
    page.goto(f"{serve(record=True).url}/console/health")
    page.get_by_role("link", name="Look at it on the page Watch").click()
    expect(page.get_by_role("heading", name="Watch")).to_be_visible()


def test_the_numbers_move_when_pictures_are_inspected(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    page.goto(f"{server.url}/console/health")
    expect(tile(page, "Pictures each second")).to_contain_text("0 in the last minute")
    expect(page.get_by_text("All is well")).to_be_visible()
    pitted = next(iter(sorted(PICTURES.rglob("*.jpg")))).read_bytes()
    for _ in range(5):
        inspect(server, pitted)
    expect(tile(page, "Pictures each second")).to_contain_text("5 in the last minute")
    expect(tile(page, "Recorded")).to_contain_text("5")
    expect(tile(page, "Slowest in 100")).to_contain_text("ms")
    expect(page.get_by_role("row", name="Engine time")).to_contain_text("ms")
    expect(page.get_by_role("row", name=f"{MODEL} 1")).to_contain_text("1 of 1")
    for _ in range(3):
        inspect(server, b"no picture")
    expect(page.get_by_role("row", name="invalid_image")).to_contain_text("3")
    expect(page.locator(".chart canvas")).to_have_count(3)
    page.get_by_text("Numbers of “Pictures each second”").click()
    expect(page.get_by_role("columnheader", name="Seconds ago")).to_be_visible()


def test_a_version_that_has_failed_is_told_with_what_to_do_and_goes_when_it_is_mended(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(BANK / MODEL, repository / MODEL)
    server = serve(repository, "--repository-poll-s", "0.2")
    page.goto(f"{server.url}/console/health")
    expect(page.get_by_text("All is well")).to_be_visible()
    broken = tmp_path / "2"
    shutil.copytree(BANK / MODEL / "1", broken)
    (broken / "manifest.json").write_text("{}")
    broken.rename(repository / MODEL / "2")
    condition = page.get_by_role("article", name="TaktVersionNotReady")
    expect(condition).to_contain_text("Not an alarm yet")
    expect(condition).to_contain_text(f"Version 2 of {MODEL} is not ready")
    condition.get_by_text("What to do about").click()
    expect(condition).to_contain_text("Copy it anew, or remove its folder")
    link = condition.get_by_role("link", name=MODEL, exact=True)
    expect(link).to_have_attribute("href", f"/console/models/{MODEL}")
    shutil.rmtree(repository / MODEL / "2")
    expect(condition).to_have_count(0)
    expect(page.get_by_text("All is well")).to_be_visible()


def test_a_spoilt_file_of_a_served_version_is_told_and_what_is_not_watched_is_a_note(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(BANK / MODEL, repository / MODEL)
    server = serve(repository, "--repository-poll-s", "0.2")
    page.goto(f"{server.url}/console/health")
    note = page.get_by_role("article", name="TaktModelNotWatched")
    expect(note.locator("strong")).to_have_text("Note")
    expect(note).to_contain_text("version 1, which inspects, is not watched (no_record)")
    expect(note.get_by_role("link", name="Look at it on the page Watch")).to_be_visible()
    expect(page.get_by_text("All is well")).to_be_visible()
    graph = next((repository / MODEL / "1").glob("*.onnx"))
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    spoilt = page.get_by_role("article", name="TaktModelFilesSpoilt")
    expect(spoilt).to_contain_text(f"The files of version 1 of {MODEL} are gone, or have changed")
    expect(page.get_by_text("All is well")).to_have_count(0)
    spoilt.get_by_text("What to do about").click()
    expect(spoilt.locator("pre").first).to_contain_text("takt verify")


def test_what_to_do_has_the_run_book_with_its_tables_and_commands(page: Page, serve: Serve) -> None:
    server = serve()
    page.route(
        "**/v1/status", lambda route: answer_with(route, [("TaktModelNotReady", True, "nut")])
    )
    page.goto(f"{server.url}/console/health")
    condition = page.get_by_role("article", name="TaktModelNotReady")
    condition.get_by_text("What to do about").click()
    expect(condition).to_contain_text("The model is not ready after a deployment")
    expect(condition.locator("pre").first).to_contain_text("/health/ready")
    expect(condition.get_by_role("columnheader", name="what to do")).to_be_visible()
    expect(condition).to_contain_text("From docs/operations.md#taktmodelnotready")


def test_alarms_are_told_apart_by_word_and_shape_and_their_text_stays_text(
    page: Page, serve: Serve
) -> None:
    server = serve()
    evil = "<img src=x onerror=document.title='evil'>"
    shown = [("critical", True, evil), ("warning", True, evil), ("warning", False, evil)]
    page.route("**/v1/status", lambda route: answer_with(route, shown))
    page.goto(f"{server.url}/console/health")
    articles = page.get_by_role("article")
    expect(articles.locator("strong")).to_have_text(["Critical", "Warning", "Not an alarm yet"])
    expect(articles.first).to_contain_text(f"{evil} fails.")
    shapes = articles.locator("svg path:first-child")
    assert len(set(shapes.evaluate_all("all => all.map((one) => one.getAttribute('d'))"))) == 3
    expect(page).to_have_title("Health – Takt")


@pytest.mark.parametrize("leads", [True, False])
def test_processes_that_say_nothing_are_told_with_what_is_not_known(
    page: Page, serve: Serve, leads: bool
) -> None:
    def answer(route: Route) -> None:
        workers = {"number": 4, "silent": 1, "leader_is_silent": leads}
        route.fulfill(json=route.fetch().json() | {"workers": workers})

    page.route("**/v1/status", answer)
    page.goto(f"{serve().url}/console/health")
    told = page.get_by_role("status").filter(has_text="1 of 4 processes says nothing")
    expect(told).to_contain_text("by its last word")
    expect(told.get_by_text("It is the one that watches")).to_have_count(int(leads))


def test_a_server_without_a_model_is_not_well(page: Page, serve: Serve, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    page.goto(f"{serve(empty, told='has no model yet').url}/console/health")
    told = page.get_by_role("article", name="Not ready")
    expect(told).to_contain_text("There is no model here")
    expect(told.get_by_role("link", name="Models")).to_have_attribute("href", "/console/models")
    expect(page.get_by_text("All is well")).to_have_count(0)
    (empty / MODEL).mkdir()
    shutil.copytree(BANK / MODEL / "1", tmp_path / "1")
    (tmp_path / "1").rename(empty / MODEL / "1")
    expect(page.get_by_text("All is well")).to_be_visible()


def test_a_model_whose_first_version_waits_for_its_activation_is_not_well(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(BANK / MODEL, repository / MODEL)
    rewrite_manifest(repository / MODEL / "1", lambda manifest: manifest.update(self_test=GRAVE))
    page.goto(f"{serve(repository, told='waits for an activation').url}/console/health")
    told = page.get_by_role("article", name="Not ready")
    expect(told).to_contain_text(f"No version of {MODEL} is active")
    expect(told.get_by_role("link")).to_have_attribute("href", f"/console/models/{MODEL}")
    expect(page.get_by_text("All is well")).to_have_count(0)


def test_nothing_is_well_of_a_server_that_does_not_answer(page: Page, serve: Serve) -> None:
    server = serve()
    page.goto(f"{server.url}/console/health")
    well = page.get_by_text("All is well")
    expect(well).to_be_visible()
    server.process.kill()
    expect(page.get_by_role("article").first).to_contain_text("Not known")
    expect(page.get_by_role("article").first).to_contain_text("What is below is of")
    expect(well).to_have_count(0)
    serve(BANK, "--port", server.url.rpartition(":")[2])
    expect(well).to_be_visible()
    expect(page.get_by_text("Not known")).to_have_count(0)


def test_a_key_that_may_not_read_is_told_so(page: Page, serve: Serve) -> None:
    server = serve(keys=True)
    page.goto(f"{server.url}/console/health")
    log_in(page, "camera")
    expect(page.get_by_role("status")).to_contain_text("lacks the scope “read”")


def test_grafana_is_linked_once_somebody_has_said_where_it_is_and_never_a_script(
    page: Page, serve: Serve
) -> None:
    server = serve()
    page.goto(f"{server.url}/console/health")
    field = page.get_by_label("Address of Grafana")
    link = page.get_by_role("link", name="Open Grafana")
    field.fill("javascript:alert(1)")
    field.press("Tab")
    expect(link).to_have_count(0)
    field.fill("http://grafana.plant:3000/d/takt")
    field.press("Tab")
    expect(link).to_have_attribute("href", "http://grafana.plant:3000/d/takt")
    page.reload()
    expect(link).to_have_attribute("href", "http://grafana.plant:3000/d/takt")


def test_an_answer_that_takes_longer_than_to_the_next_look_is_shown(
    page: Page, serve: Serve
) -> None:
    server = serve()
    held: list[Route] = []
    page.clock.install()
    page.route("**/v1/status", lambda route: held.append(route))
    with page.expect_request("**/v1/status"):
        page.goto(f"{server.url}/console/health")
    page.clock.run_for(2100)
    held[0].continue_()
    expect(tile(page, "Pictures each second")).to_be_visible()


def test_a_page_that_nobody_sees_asks_nothing(page: Page, serve: Serve) -> None:
    server = serve()
    page.clock.install()
    page.goto(f"{server.url}/console/health")
    expect(page.get_by_text("All is well")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/v1/status"):
        page.clock.run_for(2100)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    for second in range(20):
        # The server must have time to answer: the shell gives it three seconds of this clock.
        with page.expect_response("**/health/live"):
            page.evaluate("fetch('/health/live').then((answer) => answer.text())")
        if second == 1:  # What the last tick wanted has been asked.
            asked.clear()
        page.clock.run_for(1000)
    assert [url for url in asked if not url.endswith("/health/live")] == []
