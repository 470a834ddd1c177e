"""`python -m docs._reference`: renew the parts of pages that the code declares, and drawings."""

from __future__ import annotations

from docs._reference.pages import PAGES, drawings, renewed

for page in PAGES:
    text = page.read_text("utf-8")
    if (new := renewed(text)) != text:
        page.write_text(new, "utf-8")
        print(f"renewed: {page}")

for path, drawing in drawings().items():
    if not path.exists() or path.read_text("utf-8") != drawing:
        path.write_text(drawing, "utf-8")
        print(f"renewed: {path}")
