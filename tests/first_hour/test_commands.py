"""Every command of README and tutorials is one: its options, targets, routes and files exist.

So is what they say to do in the console: its sentences are understood, and its texts are there.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from takt.cli import main as takt
from tests.first_hour.console import understood
from tests.first_hour.journeys import JOURNEYS, Journey
from tests.first_hour.pages import PAGES, ROOT, Acted, Command, Saved, steps
from tests.first_hour.play import promises_of

COMMANDS = [step for page in PAGES for step in steps(page) if isinstance(step, Command)]
ACTED = [step for page in PAGES for step in steps(page) if isinstance(step, Acted)]
TEXTS = json.loads((ROOT / "service/takt/console/static/strings/en.json").read_text("utf-8"))
MODELS = {"pitting"}
SAVED = {step.file for page in PAGES for step in steps(page) if isinstance(step, Saved)}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
ROUTES = [
    re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
    for path in json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))["paths"]
]
OF_THE_SHELL = {".", "cmp", "cp", "mkdir", "rm", "umask", "grep"}
INSTALLED = {"mosquitto", "pip"}
"""What a page says how to install, or what a virtual environment has."""


def words_of(text: str) -> Iterator[list[str]]:
    """The words of each simple command, those in $(…) as well, without what is assigned."""
    for inner in re.findall(r"\$\(([^)]+)\)", text):
        yield from words_of(inner)
    plain = re.sub(r"\$\([^)]+\)", "inner", text)
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in {"&&", "|", ";", "&"}:
            # Nothing follows what is left running.
            if words:
                yield words
            words = []
        elif words or re.match(r"\w+=", word) is None:
            words.append(word)


def check(words: list[str]) -> None:
    name, given = words[0], words[1:]
    if ">" in given:
        given = given[: given.index(">")]
    if name == "takt":
        check_takt(given)
    elif name == "make":
        assert set(given) <= TARGETS
    elif name == "python":
        script = given[1] if given[0] == "-u" else given[0]
        assert script in SAVED or (ROOT / script).is_file()
    elif name == "curl":
        (url,) = (word for word in given if word.startswith("http://"))
        path = re.sub(r"^http://127\.0\.0\.1:8000|\?.*", "", url)
        assert any(route.fullmatch(path) for route in ROUTES), f"there is no route {path}"
    else:
        assert name in OF_THE_SHELL | INSTALLED | {"cat"}, f"is {name} on every reader's machine?"


def check_takt(given: list[str]) -> None:
    """Parse the options as the command does, but for files that a reader has and we have not."""
    command: click.Command = takt
    context = click.Context(takt, info_name="takt")
    arguments = list(given)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        if found is None:
            break
        command, context = found, click.Context(found, context, arguments.pop(0))
    values, rest, _ = command.make_parser(context).parse_args(arguments)
    assert not rest, f"takt has no {rest}"
    for option in command.params:
        if isinstance(option.type, click.Choice | click.IntRange | click.FloatRange):
            option.type_cast_value(context, values.get(option.name))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}:{command.line}")
def test_a_command_of_a_page_is_one(command: Command) -> None:
    for words in words_of(command.text):
        check(words)


@pytest.mark.parametrize(
    "text",
    [
        "takt lern good/",
        "takt learn good/ --modle part",
        "takt keys add x --scope everything --file f",
        "make dmeo",
        "python nothing.py",
        "curl http://127.0.0.1:8000/v1/modles",
        "cat $(takt keys lost --file f)",
        "apt-get install x",
    ],
)
def test_what_is_no_command_is_found(text: str) -> None:
    with pytest.raises((AssertionError, click.ClickException)):
        for words in words_of(text):
            check(words)


@pytest.mark.parametrize(
    ("page", "file"), [("docs/mqtt.md", "hear.py"), ("docs/webhooks.md", "receive.py")]
)
def test_five_lines_hear_of_verdicts(page: str, file: str) -> None:
    (program,) = (step for step in steps(page) if isinstance(step, Saved) and step.file == file)

    assert sum(line.strip() != "" for line in program.text.splitlines()) == 5
    as_it_should_be = ["ruff", "format", "--isolated", "--stdin-filename", file, "-"]
    formatted = subprocess.run(
        [sys.executable, "-m", *as_it_should_be], input=program.text, capture_output=True, text=True
    )
    assert formatted.stdout == program.text
    assert f"five lines; save them as `{file}`" in (ROOT / page).read_text("utf-8")


def texts_of(texts: Any) -> Iterator[str]:
    """Every text of the console; what is filled in stands in braces."""
    if isinstance(texts, str):
        yield texts
    else:
        for one in texts.values() if isinstance(texts, dict) else texts:
            yield from texts_of(one)


def is_of_the_console(said: str) -> bool:
    """Whether a text of the console begins like that, whatever is filled in."""
    return said in MODELS or any(begins_like(text, said) for text in texts_of(TEXTS))


def begins_like(text: str, said: str) -> bool:
    parts = re.split(r"\{\w+\}", text)
    return any(
        parts[number].startswith(said[at:])
        and (at < len(said) or parts[0] != "")
        and re.fullmatch(r"\S+".join([*map(re.escape, parts[:number]), ""]), said[:at])
        for number in range(len(parts))
        for at in range(len(said) + 1)
    )


@pytest.mark.parametrize("acted", ACTED, ids=lambda acted: f"{acted.page}:{acted.line}")
def test_what_is_done_in_the_console_can_be_done(acted: Acted) -> None:
    understood(acted.text)
    unknown = [
        said for said in re.findall(r"\*\*(.+?)\*\*", acted.text) if not is_of_the_console(said)
    ]
    assert unknown == []
    for path in re.findall(r"`(examples/.+?)`", acted.text):
        assert (ROOT / path).exists()


@pytest.mark.parametrize("said", ["Lern", "Serve by that threshold", "Version 1 was"])
def test_what_the_console_does_not_say_is_found(said: str) -> None:
    assert not is_of_the_console(said)


@pytest.mark.parametrize(
    "said", ["Learn", "Model", "Version 1 is", "6.00 is in force", "Pictures: 45"]
)
def test_what_the_console_says_is_known_by_its_beginning(said: str) -> None:
    assert is_of_the_console(said)


def read_by(journey: Journey) -> list[Command | Acted]:
    return [
        step
        for page, sections in journey.reading
        for step in steps(page)
        if isinstance(step, Command | Acted) and (sections is None or step.section in sections)
    ]


def test_whatever_is_run_or_done_is_read_by_a_user() -> None:
    read = [step for journey in JOURNEYS for step in read_by(journey)]

    assert [one for one in COMMANDS if one.is_run and one not in read] == []
    assert [one for one in ACTED if one not in read] == []


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.user)
def test_every_promise_belongs_to_one_command(journey: Journey) -> None:
    held = [
        promise
        for command in read_by(journey)
        if isinstance(command, Command)
        for promise in promises_of(command, journey.promises)
    ]

    assert sorted(held, key=repr) == sorted(journey.promises, key=repr)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_tutorial_is_short(page: str) -> None:
    assert len((ROOT / page).read_text("utf-8").splitlines()) <= 120
