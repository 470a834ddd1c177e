"""The console in a real browser, through the Ingress of a release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import key_field, opened_browser
from tests.deploy.outside import Outside, reached_from_outside
from tests.deploy.pod import Cluster, Key

pytestmark = pytest.mark.browser


@pytest.fixture
def outside(cluster: Cluster, tmp_path: Path) -> Iterator[Outside]:
    (folder := tmp_path / "nginx").mkdir()
    with reached_from_outside(cluster, folder) as found:
        yield found


@pytest.fixture
def page(outside: Outside) -> Iterator[Page]:
    """A page of a browser that resolves the name of the Ingress to where nginx answers."""
    led = f"--host-resolver-rules=MAP {outside.host}:443 127.0.0.1:{outside.port}"
    with opened_browser(led) as browser:
        yield browser.new_page(ignore_https_errors=True)


def test_who_has_a_key_logs_in_streams_pictures_and_sees_no_server_that_is_away(
    page: Page, outside: Outside, key: Key, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(50 + number))
    away = page.get_by_text("The server does not answer")
    page.goto(f"https://{outside.host}/")
    key_field(page).fill(key.text)
    key_field(page).press("Enter")
    expect(page.locator("header")).to_contain_text("camera")
    (cookie,) = page.context.cookies()
    assert cookie["secure"] and cookie["httpOnly"]
    with page.expect_response("**/console/static/icon.svg") as looked:
        pictures = [tmp_path / f"{number}.png" for number in range(3)]
        page.get_by_label("Video or pictures").set_input_files(pictures)
    assert looked.value.ok
    done = page.get_by_role("status").filter(has_text="All frames are answered")
    expect(done).to_contain_text("3 frames: 3 answered", timeout=60_000)
    expect(away).to_be_hidden()
