"""A record: every answer to every question, in a file."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.answers import oip, rest, stream
from benchmarks.answers.answer import Answer
from benchmarks.answers.modes import Mode, Protocol
from benchmarks.answers.pictures import Picture, Sets, digest_of

Ask = Callable[[str, str, Mode, Sequence[Picture]], Awaitable[list[Answer]]]

ASK: Mapping[Protocol, Ask] = {"rest": rest.ask, "stream": stream.ask, "oip": oip.ask}


@dataclass(frozen=True, slots=True)
class Question:
    """A set of pictures, and how it is asked about.

    Attributes:
        model: that is asked.
        protocol: by which.
        mode: the heatmap.
        set: name of the pictures' set.
        pictures: in the order in which they are sent.
    """

    model: str
    protocol: Protocol
    mode: Mode
    set: str
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Cell:
    """The answers to a question.

    Attributes:
        model: that was asked.
        protocol: by which.
        mode: name of the mode.
        set: of the pictures.
        pictures: SHA-256 of their names and files.
        digest: SHA-256 of all parts of all answers, in order.
        answers: score and short digests, by the picture's name; see `Answer.line`.
    """

    model: str
    protocol: str
    mode: str
    set: str
    pictures: str
    digest: str
    answers: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is the answer to."""
        return self.protocol, self.mode, self.model, self.set


def questions(
    models: Iterable[str], modes: Mapping[Protocol, Sequence[Mode]], sets: Sets
) -> Iterator[Question]:
    """Every set, in every mode, to every model."""
    for model in models:
        for protocol, wanted in modes.items():
            for mode in wanted:
                for name, pictures in sets.items():
                    yield Question(model, protocol, mode, name, pictures)


def ask(url: str, question: Question) -> Cell:
    """Put a question to a server."""
    asking = ASK[question.protocol](url, question.model, question.mode, question.pictures)
    answers = asyncio.run(_wait(asking))
    total = hashlib.sha256("\n".join(" ".join(answer.parts) for answer in answers).encode())
    names = [picture.name for picture in question.pictures]
    return Cell(
        model=question.model,
        protocol=question.protocol,
        mode=question.mode.name,
        set=question.set,
        pictures=digest_of(question.pictures),
        digest=total.hexdigest(),
        answers={name: answer.line for name, answer in zip(names, answers, strict=True)},
    )


def save(cells: Iterable[Cell], path: Path) -> None:
    """Write a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(cell) for cell in cells], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> list[Cell]:
    """Read a record."""
    return [Cell(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


async def _wait(asking: Awaitable[list[Answer]]) -> list[Answer]:
    return await asking
