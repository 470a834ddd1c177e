"""The site is built without a warning, and the notebook in it runs.

`TAKT_SITE` names a site that `make docs` has made a moment ago; without it one is built.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAPTIONS = ["Tutorials", "How-to guides", "Reference", "Explanation"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "TAKT_SITE" in os.environ:
        return ROOT / os.environ["TAKT_SITE"]
    folder = tmp_path_factory.mktemp("built") / "site"
    said = subprocess.run(
        [sys.executable, "-m", "docs._site", str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return folder


def groups() -> dict[str, list[str]]:
    """The pages of each group of docs/index.md, from the repository's root."""
    text = (ROOT / "docs/index.md").read_text("utf-8")
    toctree = r"^```\{toctree\}\n((?:[^\n]+\n)+)\n(.*?)^```"
    found = re.findall(toctree, text, re.MULTILINE | re.DOTALL)
    named = {re.search(":caption: (.+)", options)[1]: pages.split() for options, pages in found}
    return {
        caption: [os.path.normpath(f"docs/{page}") for page in pages]
        for caption, pages in named.items()
    }


def test_each_page_of_the_docs_stands_in_one_group() -> None:
    found = groups()
    assert list(found) == CAPTIONS
    pages = [page for group in found.values() for page in group]
    assert len(set(pages)) == len(pages)
    of_docs = {path.with_suffix("").name for path in (ROOT / "docs").glob("*.md")}
    of_docs |= {path.with_suffix("").name for path in (ROOT / "docs").glob("*.ipynb")}
    assert of_docs - {"index"} == {Path(page).name for page in pages if page.startswith("docs/")}
    assert all((ROOT / f"{page}.md").exists() for page in pages if not page.startswith("docs/"))


@pytest.mark.slow
def test_the_site_has_every_page_with_the_navigation(site: Path) -> None:
    for pages in groups().values():
        for page in pages:
            html = (site / f"{page}.html").read_text("utf-8")
            assert [html.index(f">{caption}<") for caption in CAPTIONS]
    assert "docs/index.html" in (site / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_the_first_hour_learns_serves_finds_pits_and_draws_them(site: Path) -> None:
    html = (site / "docs/first_hour.html").read_text("utf-8")
    text = re.sub(r"<[^>]+>", "", html)
    assert "learned     from 6 pictures" in text
    assert "ready: ['spindle']" in text
    (found,) = re.findall(r"at \d+\.\d+: (\d) of 6 pitted spindles are found", text)
    assert int(found) >= 3
    assert "at 2.000: 6 of 6" in text
    assert "Finished server process" in text
    pictures = re.findall(r'<img [^>]*src="(\.\./_images/\w+\.(?:jpeg|jpg|png))"', html)
    assert len(pictures) >= 3
    assert all((site / "docs" / path).stat().st_size > 5000 for path in pictures)


@pytest.mark.slow
def test_the_rooms_are_drawn_floor_by_floor(site: Path) -> None:
    html = (site / "docs/architecture.html").read_text("utf-8")
    floors = [
        re.findall(r"<strong>(\w+)</strong>", part) for part in html.split('class="floor ')[1:]
    ]
    drawn = re.findall(r'\w+\["(\w+): ', (ROOT / "docs/architecture.md").read_text("utf-8"))
    assert len(floors) > 10
    assert [room for floor in floors for room in floor][: len(drawn)] == drawn


@pytest.mark.slow
def test_a_link_to_a_folder_leads_to_its_readme_or_is_text(site: Path) -> None:
    html = (site / "docs/observing.html").read_text("utf-8")
    assert 'href="../deploy/README.html"' in html
    page = (site / "docs/operations.html").read_text("utf-8")
    assert "deploy/prometheus/rules" in page
    assert 'href="../deploy/prometheus/rules' not in page
