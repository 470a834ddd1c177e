"""The check of a built site finds what leads nowhere and what comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs._site.dead_links import faults


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of two pages, a style and a picture, in which nothing is wrong."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/dot.png").write_bytes(b"")
    (tmp_path / "style.css").write_text("@import 'other.css'; p { background: url(in/dot.png) }")
    (tmp_path / "other.css").write_text("p { background: url('data:image/png;base64,AA==') }")
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css"><a href="in/a%20page.html#b">b</a>'
        '<a href="https://example.com/x.html#y">elsewhere</a><a href="#top" id="top">up</a>'
    )
    (tmp_path / "in/a page.html").write_text(
        '<h2 id="b">b</h2><img src="dot.png"><a href="../index.html">back</a>'
        '<a href="dot.png#xywh=1,2,3,4">a part of it</a>'
    )
    return tmp_path


def test_a_site_in_order_has_no_fault(site: Path) -> None:
    assert list(faults(site)) == []


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ('<a href="none.html">x</a>', "page.html: there is no none.html"),
        ('<a href="in/">x</a>', "page.html: there is no in/"),
        ('<a href="#nowhere">x</a>', "page.html: there is no place #nowhere"),
        ('<a href="index.html#c">x</a>', "page.html: there is no place index.html#c"),
        ('<img src="none.png">', "page.html: there is no none.png"),
        ('<script src="none.js"></script>', "page.html: there is no none.js"),
        (
            '<script src="https://cdn.example/a.js"></script>',
            "page.html fetches https://cdn.example/a.js",
        ),
        ('<img src="//cdn.example/a.png">', "page.html fetches //cdn.example/a.png"),
        (
            '<link rel="stylesheet" href="https://fonts.example/css">',
            "page.html fetches https://fonts.example/css",
        ),
    ],
)
def test_a_link_that_leads_nowhere_or_fetches_is_told(site: Path, added: str, fault: str) -> None:
    (site / "page.html").write_text(added)
    assert list(faults(site)) == [fault]


@pytest.mark.parametrize(
    ("style", "fault"),
    [
        ("@import url(https://fonts.example/css);", "style.css fetches https://fonts.example/css"),
        ("p { background: url('none.png') }", "style.css: there is no none.png"),
    ],
)
def test_a_style_fetches_nothing_and_finds_everything(site: Path, style: str, fault: str) -> None:
    (site / "style.css").write_text(style)
    assert list(faults(site)) == [fault]
