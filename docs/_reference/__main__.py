"""`python -m docs._reference`: renew the parts of pages that the code declares."""

from __future__ import annotations

from docs._reference.pages import PAGES, renewed

for page in PAGES:
    text = page.read_text("utf-8")
    if (new := renewed(text)) != text:
        page.write_text(new, "utf-8")
        print(f"renewed: {page}")
