"""The page Live: streams that are watched, and frames that the browser sends."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from takt_client import RetryPolicy, TaktClient
from tests.console.conftest import BANK, PICTURES, Serve, Server, log_in
from tests.workers import eventually

pytestmark = pytest.mark.browser

GOOD = sorted((PICTURES / "good").glob("*.jpg"))
PITTED = sorted((PICTURES / "pitting").glob("*.jpg"))[3:]
FRAMES = 100


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of good parts, VP8; each has its number as a row of squares."""
    path = tmp_path_factory.mktemp("video") / "line.webm"
    parts = [cv2.resize(cv2.imread(str(one)), (320, 128)) for one in GOOD]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), 30, (320, 128))
    for number in range(FRAMES):
        writer.write(numbered(parts[number % len(parts)], number))
    writer.release()
    return path


def numbered(part: np.ndarray, number: int) -> np.ndarray:
    picture = part.copy()
    for bit in range(9):
        picture[4:20, 8 + 24 * bit : 28 + 24 * bit] = 255 * (number >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    return sum(1 << bit for bit in range(9) if picture[12, 18 + 24 * bit].mean() > 127)


def get(server: Server, path: str) -> Any:
    with urllib.request.urlopen(server.url + path) as answer:
        return json.load(answer)


@contextmanager
def streaming(
    server: Server, pictures: list[Path], station: str = "press 3"
) -> Iterator[Callable[[int], None]]:
    """A camera at a station; the function that is given sends so many pictures in turn."""
    wanted, sent = threading.Semaphore(0), threading.Semaphore(0)
    ended = threading.Event()

    def frames() -> Iterator[bytes]:
        while True:
            for picture in pictures:
                wanted.acquire()
                if ended.is_set():
                    return
                yield picture.read_bytes()

    def run() -> None:
        retry = RetryPolicy(deadline_s=60.0)
        with (
            TaktClient(server.url, retry=retry) as client,
            client.stream("pitting", station=station) as stream,
        ):
            for _ in stream.inspect(frames()):
                sent.release()

    def send(count: int = 1) -> None:
        for _ in range(count):
            wanted.release()
            assert sent.acquire(timeout=60)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield send
    finally:
        ended.set()
        wanted.release()
        thread.join()


def until_recorded(server: Server, count: int) -> None:
    while get(server, "/v1/inspections?limit=1&count=true")["count"] < count:
        pass


def recorded_numbers(server: Server, count: int) -> list[int]:
    """The numbers on the recorded pictures, in their order, once so many are there."""
    until_recorded(server, count)
    found = get(server, "/v1/inspections?limit=1000")["inspections"]
    numbers = []
    for one in reversed(found):
        with urllib.request.urlopen(f"{server.url}/v1/inspections/{one['id']}/picture") as answer:
            data = np.frombuffer(answer.read(), np.uint8)
        numbers.append(number_of(cv2.imdecode(data, cv2.IMREAD_COLOR)))
    return numbers


def test_every_frame_of_a_video_is_sent_once_and_in_order(
    page: Page, serve: Serve, video: Path
) -> None:
    server = serve(BANK, "--keep", "rejects,sample=1", record=True)
    page.goto(server.url)
    page.get_by_label("Video or pictures").set_input_files(video)
    done = page.get_by_role("status").filter(has_text="All frames are answered")
    expect(done).to_contain_text(f"{FRAMES} frames: {FRAMES} answered", timeout=400_000)
    expect(done).to_contain_text("0 failed, 0 dropped")
    expect(page.locator(".station")).to_contain_text(f"of {FRAMES} since")
    assert recorded_numbers(server, FRAMES) == list(range(FRAMES))


def test_nothing_can_be_chosen_before_the_models_are_known(page: Page, serve: Serve) -> None:
    server = serve()
    held: list[Any] = []
    page.route("**/v1/models", lambda route: held.append(route))
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Live")
    eventually(lambda: page.title() and len(held) == 2)
    expect(page.get_by_label("Video or pictures")).to_be_hidden()
    expect(page.get_by_text("No stream is open")).to_be_hidden()  # the field would push it down
    for route in held:
        route.continue_()
    page.get_by_label("Video or pictures").set_input_files(GOOD[:2])
    expect(page.get_by_text("All frames are answered")).to_be_visible()


def test_pictures_that_are_dropped_come_in_the_order_of_their_names(
    page: Page, serve: Serve
) -> None:
    server = serve(record=True)
    page.goto(server.url)
    expect(page.get_by_label("Video or pictures")).to_be_visible()
    transfer = page.evaluate_handle(
        """files => {
          const transfer = new DataTransfer();
          for (const { name, data } of files) {
            const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
          }
          return transfer;
        }""",
        [
            {"name": f"part {number}.jpg", "data": base64.b64encode(one.read_bytes()).decode()}
            for number, one in ((10, PITTED[0]), (9, GOOD[0]))
        ],
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_text("All frames are answered")).to_be_visible()
    expect(page.locator(".verdict")).to_have_text("Defect")
    until_recorded(server, 2)
    parts = [one["part"] for one in get(server, "/v1/inspections")["inspections"]]
    assert parts == ["part 10.jpg", "part 9.jpg"]


def test_a_running_stream_is_found_on_the_wall_and_watched_large(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    page.goto(server.url)
    expect(page.get_by_text("No stream is open")).to_be_visible()
    with streaming(server, [GOOD[0], PITTED[0]]) as send:
        send()
        tile = page.get_by_role("link", name="press 3")
        expect(tile).to_be_visible()
        eventually(lambda: get(server, "/v1/streams")["streams"][0]["watchers"])
        send()
        expect(tile).to_contain_text("Defect")
        tile.click()
        until_watched(page)
        send()
        expect(page.locator(".verdict.large")).to_have_text("Good")
        send()
        expect(page.locator(".verdict.large")).to_have_text("Defect")
        expect(page.locator(".station")).to_contain_text(re.compile(r"Engine [\d.]+ ms, queue"))
        expect(page.locator(".station")).to_contain_text("50.0 %")
        expect(page.get_by_text("1 good of 2 since")).to_be_visible()
        assert page.locator("canvas").evaluate("canvas => canvas.width") > 100


def test_a_reject_stays_until_it_is_seen_and_leads_to_its_inspection(
    page: Page, serve: Serve
) -> None:
    server = serve(record=True)
    with streaming(server, [PITTED[0], GOOD[0]]) as send:
        page.goto(f"{server.url}/console/live")
        page.get_by_role("link", name="press 3").click()
        until_watched(page)
        send(2)
        expect(page.locator(".verdict.large")).to_have_text("Good")
        expect(page.get_by_text("Rejects to look at: 1")).to_be_visible()
        link = page.locator(".rejects a")
        expect(link.locator("img")).to_be_visible()
        page.wait_for_function(
            "() => Object.keys(localStorage).some((key) => key.startsWith('live.shift'))"
        )
        page.reload()
        until_watched(page)
        send()
        expect(page.get_by_text("Rejects to look at: 2")).to_be_visible()
        assert link.first.get_attribute("href") is not None
        page.get_by_role("button", name=re.compile("^Seen: ")).first.press("Enter")
        expect(page.get_by_text("Rejects to look at: 1")).to_be_visible()
        page.get_by_role("button", name="All are seen").press("Enter")
        expect(page.get_by_text("Rejects to look at: 0")).to_be_visible()
        page.get_by_role("button", name="Begin a shift").press("Enter")
        expect(page.get_by_text("0 good of 0 since")).to_be_visible()


def test_what_was_seen_just_before_a_reload_stays_seen(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    with streaming(server, [PITTED[0]]) as send:
        page.goto(f"{server.url}/console/live")
        page.get_by_role("link", name="press 3").click()
        until_watched(page)
        send()
        expect(page.get_by_text("Rejects to look at: 1")).to_be_visible()
        page.wait_for_function(
            "() => Object.keys(localStorage).some((key) => key.startsWith('live.shift'))"
        )
        page.get_by_role("button", name="All are seen").press("Enter")
        page.reload()
        expect(page.get_by_text("Rejects to look at: 0")).to_be_visible()


def test_tabs_that_show_one_station_have_one_shift(page: Page, serve: Serve) -> None:
    server = serve(record=True)
    other = page.context.new_page()
    with streaming(server, [PITTED[0], GOOD[0]]) as send:
        for tab in (page, other):
            tab.goto(f"{server.url}/console/live")
            tab.get_by_role("link", name="press 3").click()
            until_watched(tab)
        send(2)
        for tab in (page, other):
            expect(tab.get_by_text("1 good of 2 since")).to_be_visible()
            expect(tab.get_by_text("Rejects to look at: 1")).to_be_visible()
        page.get_by_role("button", name="All are seen").press("Enter")
        expect(other.get_by_text("Rejects to look at: 0")).to_be_visible()
        other.get_by_role("button", name="Begin a shift").press("Enter")
        expect(page.get_by_text("0 good of 0 since")).to_be_visible()
        send(3)
        for tab in (page, other):
            expect(tab.get_by_text("1 good of 3 since")).to_be_visible()
            expect(tab.get_by_text("Rejects to look at: 2")).to_be_visible()
        page.reload()
        expect(page.get_by_text("1 good of 3 since")).to_be_visible()
        expect(page.get_by_text("Rejects to look at: 2")).to_be_visible()


def test_a_reject_leads_to_its_inspection_however_late_the_record_has_it(
    page: Page, serve: Serve
) -> None:
    server = serve(record=True)
    nothing = {"inspections": [], "next": None, "request_id": "0"}
    page.route("**/v1/inspections?request_id=*", lambda one: one.fulfill(json=nothing), times=1)
    with streaming(server, [PITTED[0]]) as send:
        page.goto(f"{server.url}/console/live")
        page.get_by_role("link", name="press 3").click()
        until_watched(page)
        with page.expect_response("**/v1/inspections?request_id=*"):
            send()
        expect(page.locator(".rejects li")).to_have_count(1)
        expect(page.locator(".rejects a")).to_be_visible()


def until_watched(page: Page) -> None:
    """Until the page is told each frame from now on; the wall's tile counts as a watcher, too."""
    expect(page.get_by_text("press 3, model pitting")).to_be_visible()


def test_a_frozen_display_stays_and_counts_go_on(page: Page, serve: Serve) -> None:
    server = serve()
    with streaming(server, [GOOD[0], PITTED[0]]) as send:
        page.goto(server.url)
        page.get_by_role("link", name="press 3").click()
        until_watched(page)
        send()
        expect(page.locator(".verdict.large")).to_have_text("Good")
        page.keyboard.press("f")
        expect(page.get_by_text("The picture stays")).to_be_visible()
        send()
        expect(page.get_by_text("1 good of 2 since")).to_be_visible()
        expect(page.locator(".verdict.large")).to_have_text("Good")
        page.get_by_role("button", name="Freeze").press("Enter")
        send()
        expect(page.get_by_text("2 good of 3 since")).to_be_visible()


def test_a_server_that_comes_back_is_watched_on_without_a_reload(page: Page, serve: Serve) -> None:
    server = serve()
    with streaming(server, [GOOD[0], PITTED[0]]) as send:
        page.goto(server.url)
        page.get_by_role("link", name="press 3").click()
        until_watched(page)
        send()
        expect(page.locator(".verdict.large")).to_have_text("Good")
        page.evaluate("window.same = true")
        server.process.kill()
        expect(page.get_by_text("The server does not answer")).to_be_visible()
        again = serve(BANK, "--port", server.url.rpartition(":")[2])
        send()
        eventually(lambda: get(again, "/v1/streams")["streams"][0]["watchers"])
        send(2)
        expect(page.locator(".verdict.large")).to_have_text("Defect")
        told = "3 frames: 3 answered, 2 rejected (0 without a decision)"
        expect(page.get_by_text(told)).to_be_visible()
        expect(page.get_by_text("No frames come")).to_be_hidden()
        assert page.evaluate("window.same")


def test_the_camera_of_the_browser_goes_on_when_the_server_is_back(
    page: Page, serve: Serve
) -> None:
    server = serve()
    page.goto(server.url)
    page.get_by_role("button", name="This browser's camera").click()
    answered = page.get_by_text(re.compile(r"[1-9]\d* answered"))
    expect(answered).to_be_visible()
    server.process.kill()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    before = int(re.findall(r"(\d+) answered", answered.inner_text())[0])
    serve(BANK, "--port", server.url.rpartition(":")[2])
    page.wait_for_function(
        "before => Number(document.body.innerText.match(/(\\d+) answered/)?.[1]) > before + 5",
        arg=before,
    )
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_text("No stream is open")).to_be_visible()


def test_a_page_that_came_without_tls_says_why_it_has_no_camera(page: Page, serve: Serve) -> None:
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.goto(serve().url)
    expect(page.get_by_text("only to pages that come over HTTPS or from localhost")).to_be_visible()
    expect(page.get_by_role("button", name="This browser's camera")).to_be_disabled()


def test_a_key_is_offered_what_it_may_do(new_page: Callable[..., Page], serve: Serve) -> None:
    server = serve(keys=True)
    for name, count in (("scraper", 0), ("all", 1)):
        page = new_page()
        page.goto(server.url)
        log_in(page, name)
        expect(page.get_by_text("No stream is open")).to_be_visible()
        expect(page.get_by_role("button", name="This browser's camera")).to_have_count(count)


def test_texts_of_others_stay_texts(page: Page, serve: Serve) -> None:
    server = serve()
    evil = "<img src=x onerror=alert(1)>"
    with streaming(server, [PITTED[0]], station=evil) as send:
        page.goto(server.url)
        page.get_by_role("link", name=evil).click()
        expect(page.locator(".station")).to_contain_text("model pitting")
        send()
        expect(page.locator(".station")).to_contain_text(evil)
        expect(page.locator("img[src=x]")).to_have_count(0)
