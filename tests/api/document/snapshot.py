"""The documents as they are committed, and what must be said where they change.

`python -m tests.api.document.snapshot` renews the files, once the version of the API and
CHANGELOG.md say what has changed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from takt.api.document.asyncapi import asyncapi_document
from takt.app import create_app
from takt.settings import Settings
from tests.api.document.compare import Change, changes
from tests.api.document.console_calls import CALLS, calls_module
from tests.api.document.operations import Document

ROOT = Path(__file__).parents[3]
CHANGELOG = ROOT / "CHANGELOG.md"
OPENAPI, ASYNCAPI = ROOT / "docs/openapi.json", ROOT / "docs/asyncapi.json"
RENEW = "python -m tests.api.document.snapshot"


@dataclass(frozen=True, slots=True)
class Renewal:
    """What has changed since the committed documents, and what is said of it.

    Attributes:
        found: the changes.
        before: version of the API in the committed documents.
        after: version now.
        changelog: the text of CHANGELOG.md.
    """

    found: Sequence[Change]
    before: str
    after: str
    changelog: str

    @property
    def wanted(self) -> str:
        """The lowest version that these changes may have."""
        major, minor, patch = map(int, self.before.split("."))
        weights = {change.weight for change in self.found}
        if "breaking" in weights:
            return f"{major + 1}.0.0"
        return f"{major}.{minor + 1}.0" if "additive" in weights else f"{major}.{minor}.{patch}"

    @property
    def missing(self) -> list[str]:
        """What must be done before the files may be renewed."""
        missing = []
        if _numbers(self.after) < _numbers(self.wanted):
            missing.append(f"raise API_VERSION from {self.before} to {self.wanted}")
        entry = entry_of(self.changelog, self.after)
        if entry is None:
            missing.append(f"name `API {self.after}` in CHANGELOG.md, with what has changed")
        for change in self.found:
            if change.weight == "breaking" and change.subject not in (entry or ""):
                missing.append(f"name `{change.subject}` there: {change.what}")
        return missing

    def __str__(self) -> str:
        lines = [*map(str, self.found), *(f"- {one}" for one in self.missing), f"- {RENEW}"]
        return "the API's documents have changed:\n" + "\n".join(lines)


def entry_of(changelog: str, version: str) -> str | None:
    """The items of the changelog about a version of the API; None without any."""
    items = re.findall(r"^- (.*?)(?=^- |^#|\Z)", changelog, re.M | re.S)
    found = [item for item in items if re.match(rf"API {re.escape(version)}\b", item)]
    return "\n".join(found) or None


def documents_now() -> dict[Path, Document]:
    """The documents of a server with its own settings, by the files that hold them."""
    app = create_app(Settings(repository=ROOT / "examples/bank"))
    return {OPENAPI: app.openapi(), ASYNCAPI: asyncapi_document()}


def renewal(now: dict[Path, Document]) -> Renewal:
    """What has changed since the files were written."""
    before = {path: json.loads(path.read_text("utf-8")) for path in now}
    return Renewal(
        [one for path, document in now.items() for one in changes(before[path], document)],
        before[OPENAPI]["info"]["version"],
        now[OPENAPI]["info"]["version"],
        CHANGELOG.read_text("utf-8"),
    )


def text_of(document: Document) -> str:
    """A document as its file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> None:
    """Renew the files; ends with 1 where something is not said yet."""
    now = documents_now()
    found = renewal(now)
    if found.missing:
        sys.exit(str(found))
    for path, document in now.items():
        path.write_text(text_of(document), "utf-8")
    CALLS.write_text(calls_module(now[OPENAPI]), "utf-8")
    print("\n".join(map(str, found.found)) or "nothing has changed but the version")


if __name__ == "__main__":
    main()
