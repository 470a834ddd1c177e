"""`python -m docs._site FOLDER`: build the site there; ends with 1 on a warning or a dead link."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from sphinx.cmd.build import main as build

from docs._site.dead_links import faults

ROOT = Path(__file__).parents[2]

folder = Path(sys.argv[1])
# The notebook calls `takt` as its reader does.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# With -E every page is read anew, so that no warning is lost to an earlier build.
options = ["-q", "-E", "-W", "--keep-going", "-d", str(folder.with_name("doctrees"))]
logging.getLogger("traitlets").setLevel(logging.WARNING)  # of the notebook's machinery
failed = build([*options, "-c", str(ROOT / "docs"), str(ROOT), str(folder)])
for line in faults(folder):
    print(line, file=sys.stderr)
    failed = 1
if not failed:
    print(f"open {folder / 'index.html'}")
sys.exit(failed)
