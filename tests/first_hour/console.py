"""What a page says to do in the console, done in Chromium: one sentence after another.

    Open <http://127.0.0.1:8000>.               an address
    Press **Learn**.                            a button or a link
    Write `spindle` into **Model**.             a field
    Choose the pictures of `examples/…`.        a folder's files, or one file
    See **What turns**.                         it is there
    See `6.00` beside **Threshold**.            in the same row of a table
    Wait for **Version 1 is**.                  it comes, which may take minutes
    Wait until **Waiting** is gone.             nothing says so any more
    If there is **Activate**, press it, and give `good parts` as the reason.

What is bold is a text of the console, or begins like one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.chromium import PATIENCE_MS, ChromiumMissingError, chromium
from tests.first_hour.terminal import StepError

LONG_MS = 240_000
"""How long a learning may take."""


@dataclass(frozen=True)
class Seen:
    """What came of a sentence.

    Attributes:
        clicks: how many it took; typing is none.
        text: what was looked for, with what is in its row; empty where nothing was.
    """

    clicks: int = 0
    text: str = ""


class Console:
    """A person before the console; `close` it at the end.

    Args:
        folder: against which the pictures' paths are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = ExitStack()
        self._page: Page | None = None

    def do(self, sentence: str) -> Seen:
        """Do what a sentence says.

        Raises:
            StepError: it cannot be done, or is none of those above.
        """
        does, given = understood(sentence)
        try:
            return does(self, *given)
        except (PlaywrightError, AssertionError) as error:
            raise StepError(f"in the console: {error}\n{self._shown()}") from None
        except ChromiumMissingError as error:
            raise StepError(f"{error}") from None

    def close(self) -> None:
        """End the browser, if one was opened."""
        self._page = None
        self._opened.close()

    def _shown(self) -> str:
        with contextlib.suppress(PlaywrightError):
            return self._open_page().inner_text("body", timeout=2000)[:3000]
        return ""

    def _open_page(self) -> Page:
        if self._page is None:
            browser = self._opened.enter_context(chromium())
            size = {"width": 1366, "height": 768}
            self._page = browser.new_page(locale="en-GB", viewport=size)  # type: ignore[arg-type]
            self._page.set_default_timeout(PATIENCE_MS)
        return self._page

    @property
    def _place(self) -> Page | Locator:
        """The dialog, where one is open."""
        dialog = self._open_page().get_by_role("dialog")
        return dialog if dialog.is_visible() else self._open_page()

    def _open(self, url: str) -> Seen:
        self._open_page().goto(url)
        return Seen()

    def _press(self, name: str) -> Seen:
        # What the page itself offers goes before its head, which is on every page.
        offered = _named(self._place.locator("main"), name)
        (offered if offered.count() else _named(self._place, name)).click()
        return Seen(clicks=1)

    def _write(self, text: str, label: str) -> Seen:
        self._place.get_by_label(label).fill(text)
        return Seen()

    def _choose(self, path: str) -> Seen:
        at = self._folder / path
        files = sorted(at.iterdir()) if at.is_dir() else [at]
        self._open_page().locator("main input[type=file]").set_input_files(files)
        return Seen(clicks=1, text=f"{len(files)} files")

    def _see(self, text: str) -> Seen:
        return self._found(self._place, text, PATIENCE_MS)

    def _wait_for(self, text: str) -> Seen:
        # A dialog that is open now may be what goes.
        return self._found(self._open_page(), text, LONG_MS)

    def _found(self, place: Page | Locator, text: str, within_ms: float) -> Seen:
        begins = re.compile(f"^{re.escape(text)}")
        found = place.get_by_text(begins).first
        expect(found).to_be_visible(timeout=within_ms)
        row = place.get_by_role("row").filter(has=self._open_page().get_by_text(begins))
        shown = row.first if row.count() else found
        return Seen(text=" ".join(shown.inner_text().split()))

    def _see_beside(self, value: str, name: str) -> Seen:
        row = self._place.get_by_role("row", name=re.compile(rf"^{re.escape(name)}\b")).first
        expect(row).to_contain_text(value)
        return Seen(text=" ".join(row.inner_text().split()))

    def _wait_until_gone(self, text: str) -> Seen:
        expect(self._place.get_by_text(text, exact=True)).to_have_count(0, timeout=LONG_MS)
        return Seen()

    def _press_if_there(self, name: str, reason: str) -> Seen:
        button = self._open_page().get_by_role("button", name=name, exact=True)
        if not button.is_visible():
            return Seen(text="it is not there")
        button.click()
        dialog = self._open_page().get_by_role("dialog")
        dialog.get_by_label("Why").fill(reason)
        dialog.get_by_role("button", name=name, exact=True).click()
        expect(dialog).to_be_hidden()
        return Seen(clicks=3)


def _named(place: Page | Locator, name: str) -> Locator:
    """The button or link of that name."""
    link = place.get_by_role("link", name=name, exact=True)
    return place.get_by_role("button", name=name, exact=True).or_(link)


Does = Callable[..., Seen]

_SENTENCES: dict[str, Does] = {
    r"Open <(\S+)>\.": Console._open,
    r"Press \*\*(.+)\*\*\.": Console._press,
    r"Write `(.+)` into \*\*(.+)\*\*\.": Console._write,
    r"Choose (?:the pictures of )?`(.+)`\.": Console._choose,
    r"See \*\*(.+)\*\*\.": Console._see,
    r"See `(.+)` beside \*\*(.+)\*\*\.": Console._see_beside,
    r"Wait for \*\*(.+)\*\*\.": Console._wait_for,
    r"Wait until \*\*(.+)\*\* is gone\.": Console._wait_until_gone,
    r"If there is \*\*(.+)\*\*, press it, and give `(.+)` as the reason\.": Console._press_if_there,
}


def understood(sentence: str) -> tuple[Does, tuple[str, ...]]:
    """What a sentence is done by, and what it names.

    >>> understood("Write `spindle` into **Model**.")[1]
    ('spindle', 'Model')
    >>> understood("Have a look.")
    Traceback (most recent call last):
    tests.first_hour.terminal.StepError: no reader of pages knows how to: Have a look.
    """
    for form, does in _SENTENCES.items():
        if found := re.fullmatch(form, sentence):
            return does, found.groups()
    raise StepError(f"no reader of pages knows how to: {sentence}")


@contextlib.contextmanager
def console(folder: Path) -> Iterator[Console]:
    """A person before the console, who leaves at the end."""
    opened = Console(folder)
    try:
        yield opened
    finally:
        opened.close()
