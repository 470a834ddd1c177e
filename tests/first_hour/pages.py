"""The commands of a page, as its reader finds them.

A page is Markdown. Its commands are the fenced blocks marked `sh`, what they print the blocks
marked `text`. Comments that no reader sees say what a reader knows without being told:

    <!-- first-hour: not run -->         the next block needs what is not there, such as a camera
    <!-- first-hour: file camera.py -->  the next block is to be saved under this name
    <!-- first-hour: Ctrl-C -->          what runs in the other terminal is ended here
    <!-- first-hour: no model yet -->    the next block starts a server that is live and not ready
    <!-- first-hour: browser -->         the next list is done in the console, an item after another
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/tutorial.md",
    "docs/tutorial-console.md",
    "docs/tutorial-stream.md",
    "docs/tutorial-operate.md",
    "docs/mqtt.md",
    "docs/webhooks.md",
)

CTRL_C = "Ctrl-C"
NOT_RUN = "not run"
NO_MODEL_YET = "no model yet"
BROWSER = "browser"
_COMMENT = re.compile(r"<!-- first-hour: (.+?) -->")
_ITEM = re.compile(r"\d+\. (.+)")
_FENCE = re.compile(r"```(\w*)")


@dataclass(frozen=True)
class Command:
    """A command, to be run as it stands."""

    page: str
    line: int
    text: str
    section: str
    is_run: bool = True
    has_model: bool = True

    @property
    def name(self) -> str:
        """The command in one line."""
        return re.sub(r"\\\n\s*", "", re.sub(r"\s+#.*", "", self.text))

    @property
    def serves(self) -> bool:
        """Whether it goes on until Ctrl-C, so that the reader needs another terminal."""
        return bool(re.match(r"(make serve|takt serve)\b", self.text))


@dataclass(frozen=True)
class Printed:
    """What the page says that the commands before it print."""

    page: str
    line: int
    text: str
    section: str


@dataclass(frozen=True)
class Saved:
    """A program that the reader saves in a file."""

    page: str
    line: int
    text: str
    section: str
    file: str


@dataclass(frozen=True)
class Acted:
    """What the reader does or sees in the console, as a sentence."""

    page: str
    line: int
    text: str
    section: str

    @property
    def name(self) -> str:
        """The sentence."""
        return self.text


@dataclass(frozen=True)
class Ended:
    """Ctrl-C in the terminal of the server."""

    page: str
    line: int
    section: str


Step = Command | Printed | Saved | Acted | Ended


def steps(page: str, root: Path = ROOT) -> list[Step]:
    """What a reader of the page does, in order."""
    return list(read(page, (root / page).read_text("utf-8")))


def read(page: str, text: str) -> Iterator[Step]:
    """The steps of a page's text.

    >>> list(read("p.md", "# Begin\\n\\n```sh\\nls \\\\\\n  -l\\nls    # twice\\n```\\n"))
    ... # doctest: +NORMALIZE_WHITESPACE
    [Command(page='p.md', line=4, text='ls \\\\\\n  -l', section='Begin',
             is_run=True, has_model=True),
     Command(page='p.md', line=6, text='ls    # twice', section='Begin',
             is_run=True, has_model=True)]
    """
    section, comment = "", ""
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if said := _COMMENT.fullmatch(line):
            if said[1] == CTRL_C:
                yield Ended(page, number, section)
            else:
                comment = said[1]
        elif fence := _FENCE.fullmatch(line):
            block = []
            for _, inner in lines:
                if inner == "```":
                    break
                block.append(inner)
            yield from _block(page, number + 1, fence[1], block, section, comment)
            comment = ""
        elif line.startswith("#"):
            section, comment = line.lstrip("# "), ""
        elif comment == BROWSER and (item := _ITEM.fullmatch(line)):
            yield Acted(page, number, item[1], section)


def _block(
    page: str, first: int, language: str, block: list[str], section: str, comment: str
) -> Iterator[Step]:
    if comment.startswith("file "):
        yield Saved(page, first, "\n".join(block) + "\n", section, comment.removeprefix("file "))
    elif language == "text":
        yield Printed(page, first, "\n".join(block), section)
    elif language == "sh":
        gathered: list[str] = []
        for number, line in enumerate(block, first):
            gathered.append(line)
            if not line.endswith("\\"):
                begun = number - len(gathered) + 1
                text = "\n".join(gathered)
                has_model = comment != NO_MODEL_YET
                yield Command(page, begun, text, section, comment != NOT_RUN, has_model)
                gathered = []
