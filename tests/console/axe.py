"""What axe-core says against a page."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
# Large text has to have as much contrast as small text.
CONFIGURED = """axe.configure({ checks: [{ id: "color-contrast", options: {
    ignoreUnicode: true, ignoreLength: false, ignorePseudo: false, boldValue: 700,
    boldTextPt: 999, largeTextPt: 999, shadowOutlineEmMax: 0.2, pseudoSizeThreshold: 0.25,
    contrastRatio: { normal: { expected: 4.5 }, large: { expected: 4.5 } } } }] })"""


def grave_faults(page: Page) -> list[str]:
    """The grave faults of what is to be seen now, each with where and why."""
    page.evaluate(AXE_SCRIPT)
    page.evaluate(CONFIGURED)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations', 'passes'] })")
    assert "color-contrast" in {one["id"] for one in found["passes"] + found["violations"]}
    return [
        f"{fault['id']}: {node['html'][:160]}\n  {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]
