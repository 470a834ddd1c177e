"""How `make docs` makes the site: Sphinx with MyST, and the theme Furo.

The source is the repository itself, not `docs/` alone, so that a link such as
`../deploy/README.md` leads to the same page on a Git host and in the site. Nothing is fetched,
neither now nor by a browser.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients/python/src")]

project = "Takt"
author = "Takt developers"
project_copyright = "Takt developers, Apache-2.0"
release: str = tomllib.loads((ROOT / "service/pyproject.toml").read_text("utf-8"))["project"][
    "version"
]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs._site.floors",
    "docs._site.folders",
]
root_doc = "docs/index"
# README.md is the repository's own front page; the site's is docs/index.md.
include_patterns = [
    "docs/*.md",
    "docs/*.ipynb",
    "benchmarks/**.md",
    "clients/*/README.md",
    "deploy/**.md",
    "examples/**.md",
    "models/takt_models/weights/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
# Folders that need not be looked through.
exclude_patterns = [".*", "export", "out", "service", "tests", "**/node_modules"]

nitpicky = True
# Types of others, whose documentation the network has, and the client's own inner ones.
_FOREIGN = r"(collections|httpx|os|websockets)\..*"
_INNER = r"takt_client\.(connection|failures|pictures|retry|session)\..*"
nitpick_ignore_regex = [("py:.*", _FOREIGN), ("py:.*", _INNER)]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
highlight_language = "none"

# Runs the notebook once, and again when it has changed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "out/notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "furo"
html_title = f"Takt {release}"
html_static_path = ["_site/static"]
html_css_files = ["takt.css"]
html_extra_path = ["_site/root"]
html_copy_source = False
html_show_sphinx = False
# Furo's default links each page to a repository, which has no address yet.
html_theme_options: dict[str, object] = {"top_of_page_buttons": []}
