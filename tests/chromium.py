"""Debian's Chromium, by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

PATIENCE_MS = 15_000
"""How long anything may take to appear: the machine may have other work."""

MISSING = "no Chromium here: install Debian's package `chromium-headless-shell`"

# The first that is there: a whole browser takes almost twice the processor, and shows nothing more.
_PROGRAMS = ("chromium-headless-shell", "chromium")

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


class ChromiumMissingError(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A browser with further flags, closed at the end.

    Raises:
        ChromiumMissingError: it is not installed.
    """
    path = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if path is None:
        raise ChromiumMissingError(MISSING)
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *flags])
        yield browser
        browser.close()
