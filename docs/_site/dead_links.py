"""What of a built site leads nowhere, or would be fetched from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FETCHED = {"script", "img", "iframe", "source", "video", "audio", "embed", "input"}
"""Elements whose `src` a browser fetches by itself; and so it does a stylesheet and an icon."""
_IN_STYLES = re.compile(r"""(?:@import\s+(?:url\()?|url\()\s*["']?([^"')\s;]+)""")


@dataclass
class Page(HTMLParser):
    """The links of a page, what it fetches, and where links may lead in it."""

    links: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if "src" in given and tag in _FETCHED:
            self.fetched.add(given["src"])
        if "href" in given:
            fetches = tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload")
            (self.fetched if fetches else self.links).add(given["href"])


def faults(site: Path) -> Iterator[str]:
    """A line for each link or file of the site that is not there, or comes from elsewhere."""
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        named = path.relative_to(site.resolve())
        for link in sorted(page.links | page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.fetched and parts.scheme != "data":
                    yield f"{named} fetches {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{named}: there is no {link}"
            elif parts.fragment and not _has(pages.get(target), unquote(parts.fragment)):
                yield f"{named}: there is no place {link}"
    for path in sorted(site.rglob("*.css")):
        for link in _IN_STYLES.findall(path.read_text("utf-8")):
            parts = urlsplit(link)
            if parts.netloc:
                yield f"{path.relative_to(site)} fetches {link}"
            elif not parts.scheme and not (path.parent / parts.path).is_file():
                yield f"{path.relative_to(site)}: there is no {link}"


def _has(page: Page | None, anchor: str) -> bool:
    """Whether a page has the place; what is no page, such as a picture, has none that we know."""
    return page is None or anchor in page.anchors


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text("utf-8"))
    return page
