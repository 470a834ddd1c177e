"""A real browser before a real server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.api.keys import KEYS, secret
from tests.chromium import PATIENCE_MS, ChromiumMissingError, chromium
from tests.conftest import StartServer

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "examples/pictures"
BANK = ROOT / "examples/bank"


class Server(Protocol):
    """A server process."""

    url: str
    process: Any


Serve = Callable[..., Server]


@contextmanager
def opened_browser(*flags: str) -> Iterator[Browser]:
    """Debian's Chromium with further flags; the test is skipped where that is missing."""
    with ExitStack() as opened:
        try:
            browser = opened.enter_context(chromium(*flags))
        except ChromiumMissingError as error:
            if os.environ.get("TAKT_REQUIRE_CHROMIUM"):
                pytest.fail(f"{error}")
            pytest.skip(f"{error}")
        yield browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of this module: while Playwright runs, no test of another may have a loop."""
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a context of its own; the test fails on any error in one.

    Options are those of Playwright's contexts. Errors of requests that the server refuses, or
    does not answer, are the page's to show, and no errors of the page.
    """
    errors: list[str] = []
    with ExitStack() as contexts:

        def make(**options: Any) -> Page:
            options = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}} | options
            context = browser.new_context(**options)
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: errors.append(f"{error}"))
            page.on("console", lambda message: hear(message.type, message.text))
            return page

        def hear(kind: str, text: str) -> None:
            if kind == "error" and not text.startswith(("Failed to load resource", "WebSocket")):
                errors.append(text)

        yield make
    assert errors == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page of 1280 × 800 pixels."""
    return new_page()


@pytest.fixture(scope="session")
def start_server(fork_server: StartServer) -> StartServer:
    """Starts a server that is forked, as each test has one of its own; it ends with the block."""
    return fork_server


@pytest.fixture
def serve(start_server: Any, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers that end with the test.

    `serve(repository, *options, keys=False, record=False, told=…)`: with `keys`, those of
    `tests.api.keys`; with `record`, a record in SQLite; `told` is awaited in the log.
    """
    with ExitStack() as servers:

        def start(
            repository: Path = BANK,
            *options: str,
            keys: bool = False,
            record: bool = False,
            told: str = " is ready on ",
        ) -> Server:
            given = list(options)
            if record:
                given += ["--record", "sqlite", "--data-folder", str(tmp_path / "data")]
            if keys:
                path = tmp_path / "keys.json"
                path.write_text(KEYS)
                path.chmod(0o600)
                given += ["--keys-file", str(path)]
            server: Server = servers.enter_context(start_server(repository, *given, told=told))
            return server

        yield start


def key_field(page: Page) -> Locator:
    """Where the console asks for a key; other labels have "key" within a word."""
    return page.get_by_label("Key", exact=True)


def log_in(page: Page, name: str) -> None:
    """Type a key of `tests.api.keys` where it is asked for, and wait until it is known."""
    expect(key_field(page)).to_be_focused()
    page.keyboard.type(secret(name))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def choose(page: Page, *files: Path) -> None:
    """Open the chooser of the field with the focus; on a busy machine a press may open nothing."""
    for _ in range(5):
        with suppress(PlaywrightTimeoutError):
            with page.expect_file_chooser(timeout=5000) as chosen:
                page.keyboard.press("Enter")
            chosen.value.set_files(list(files))
            return
    pytest.fail("no chooser opens")
