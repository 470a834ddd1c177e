"""The users: what each reads, what has to come of it, and how long it may take.

A promise belongs to the one command of the page that begins as it says. All commands of a page
are run and have to end with 0; what the page prints as their output has to be what they print,
whatever the numbers are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.first_hour.terminal import Ran, StepError, Terminal

Check = Callable[[Ran, Terminal], None]


@dataclass(frozen=True)
class Promise:
    """What a command of a page has to do."""

    page: str
    command: str
    check: Check


@dataclass(frozen=True)
class Bar:
    """The longest time of some steps, in order, on two cores that do nothing else."""

    name: str
    commands: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True)
class Journey:
    """A user with a fresh copy of the project.

    Attributes:
        user: who it is.
        reading: pages, each with the sections that are read, or None for all.
        promises: what has to come of single commands.
        bars: what may take how long.
        goes_on_from: the user whose copy this one has, where that one was there before; a fresh
            one otherwise.
    """

    user: str
    reading: tuple[tuple[str, tuple[str, ...] | None], ...]
    promises: tuple[Promise, ...]
    bars: tuple[Bar, ...] = ()
    goes_on_from: str | None = None


def says(*patterns: str) -> Check:
    """The output has each of these."""

    def check(ran: Ran, _: Terminal) -> None:
        for pattern in patterns:
            if re.search(pattern, ran.output, re.MULTILINE) is None:
                raise StepError(f"the output lacks {pattern!r}")

    return check


def answers(**facts: Any) -> Check:
    """The output is JSON that has these."""

    def check(ran: Ran, _: Terminal) -> None:
        # curl's progress comes before the answer.
        answer = json.loads(ran.output[ran.output.index("{") :])
        found = {name: answer.get(name) for name in facts}
        if found != facts:
            raise StepError(f"the answer has {found} instead of {facts}")

    return check


def stands_out(percent: float) -> Check:
    """The answer's score is above that of so many of the good pictures."""

    def check(ran: Ran, _: Terminal) -> None:
        answer = json.loads(ran.output[ran.output.index("{") :])
        if not answer["percentile"] >= percent:
            raise StepError(f"the pitted part scores above {answer['percentile']} % of the good")

    return check


def opens(*paths: str) -> Check:
    """The server has these pages."""

    def check(_: Ran, terminal: Terminal) -> None:
        for path in paths:
            if (status := terminal.status(path)) != 200:
                raise StepError(f"{path} is answered with {status}")

    return check


def is_not_ready(_: Ran, terminal: Terminal) -> None:
    """The server is live, shows its console, and has no model that answers."""
    found = {path: terminal.status(path) for path in ("/health/live", "/health/ready", "/console/")}
    if list(found.values()) != [200, 503, 200]:
        raise StepError(f"it answers {found}")


def lines(count: int, pattern: str) -> Check:
    """So many lines of the output are of this kind."""

    def check(ran: Ran, _: Terminal) -> None:
        found = len(re.findall(pattern, ran.output, re.MULTILINE))
        if found != count:
            raise StepError(f"{found} lines instead of {count} are like {pattern!r}")

    return check


def streamed(frames: int) -> Check:
    """The metrics count so many frames of streams."""

    def check(ran: Ran, _: Terminal) -> None:
        counts = re.findall(r'protocol="stream",verdict="\w+"\} (\S+)$', ran.output, re.MULTILINE)
        if sum(map(float, counts)) != frames:
            raise StepError(f"the metrics count {counts} instead of {frames} frames")

    return check


README = "README.md"
MQTT, WEBHOOKS, STATION = "docs/mqtt.md", "docs/webhooks.md", "docs/station.md"
LEARN, CONSOLE, STREAM, OPERATE = (
    f"docs/tutorial{name}.md" for name in ("", "-console", "-stream", "-operate")
)
TRY, OWN = "Try it", "From your pictures to a served model"

NEWCOMER = Journey(
    "newcomer",
    ((README, (TRY,)),),
    (
        Promise(README, "make demo", says(r"^1[012] of 12 verdicts agree with the truth")),
        Promise(README, "make serve", opens("/console/", "/health/ready")),
        Promise(README, "curl", answers(model="pitting", anomalous=True)),
    ),
    (Bar("demo, from a fresh copy", ("make demo",), 40),),
)
ENGINEER = Journey(
    "engineer",
    ((README, (OWN,)), (LEARN, None)),
    (
        Promise(README, "takt learn", says("^part, version 1 ", "^promise ", "^self-test ")),
        Promise(README, "takt serve", opens("/console/")),
        # Whether it is over the threshold is for the tutorial, whose pictures are always the same.
        Promise(README, "curl", stands_out(95)),
        Promise(LEARN, "takt --version", says(r"^takt, version \d")),
        Promise(LEARN, "takt learn examples", says("^spindle, version 1 ")),
        Promise(LEARN, "takt serve", opens("/console/")),
        Promise(LEARN, "curl http", answers(ready=True)),
        Promise(LEARN, "curl --data", answers(model="spindle", anomalous=True)),
        Promise(LEARN, "takt eval", says(r"^image AUROC +(1\.0|0\.9)", "^report .*spindle.html")),
        Promise(LEARN, "takt calibrate", says("^guarantee ", "^deployed +nothing")),
        Promise(LEARN, "curl -X PUT", answers(persisted=True)),
        Promise(LEARN, "takt learn --update", says("^spindle, version 2 ", "^waiting +loaded at")),
        Promise(LEARN, "curl -X POST", answers(version="2", before="1")),
        Promise(LEARN, "takt records", says("spindle 1 .*REJECT.* A-17 ")),
        Promise(LEARN, "takt audit", says("entries are whole")),
    ),
    (
        Bar(
            "own pictures to a served model, from a fresh copy",
            ("make install", "takt learn good/", "takt serve", "curl --data-binary @part.jpg"),
            180,
        ),
    ),
)
PROGRAMMER = Journey(
    "programmer",
    ((STREAM, None),),
    (
        Promise(STREAM, "make serve", opens("/health/ready")),
        Promise(
            STREAM,
            "takt watch examples",
            says("ANOMALOUS", r"^6 frames in .* 6 answered .* 0 errors, 0 dropped"),
        ),
        Promise(STREAM, "python camera.py", lines(12, r"^frame \d+: (goes on|out with it)")),
        Promise(STREAM, "curl", streamed(18)),
        Promise(STREAM, "takt records", lines(3, r"^ *\d+ .* pitting 1 ")),
    ),
    (Bar("first stream, once a server runs", ("takt watch", "python camera.py"), 60),),
)
OPERATOR = Journey(
    "operator",
    ((OPERATE, None),),
    (
        Promise(OPERATE, "takt keys list", says("^operator .*operate", "^prometheus +read")),
        Promise(OPERATE, "takt serve --repository", opens("/health/ready")),
        Promise(OPERATE, "curl -i http://127.0.0.1:8000/health/ready", says("^HTTP/1.1 200")),
        Promise(OPERATE, "curl -i http://127.0.0.1:8000/v1/models", says("^HTTP/1.1 401")),
        Promise(
            OPERATE,
            'curl -H "Authorization: Bearer $(cat operator.key)" http://127.0.0.1:8000/v1/models',
            says('"name":"pitting","active":"1"'),
        ),
        Promise(
            OPERATE,
            'curl -H "Authorization: Bearer $(cat operator.key)" --data',
            answers(model="pitting", anomalous=True),
        ),
        Promise(OPERATE, "curl -s", says('outcome="ok".*verdict="anomalous"} 1.0')),
        Promise(OPERATE, "TAKT_KEY", says("^pitting, version 2 ", "^waiting +loaded at")),
        Promise(
            OPERATE,
            'curl -X POST -H "Authorization: Bearer $(cat operator.key)" '
            "http://127.0.0.1:8000/v1/models/pitting/versions/2",
            answers(version="2", before="1"),
        ),
        Promise(
            OPERATE,
            'curl -X POST -H "Authorization: Bearer $(cat operator.key)" '
            "http://127.0.0.1:8000/v1/models/pitting/rollback",
            answers(version="1", before="2"),
        ),
        Promise(OPERATE, "takt audit --limit", says("operator +version_activated")),
        Promise(OPERATE, "takt audit verify", says("entries are whole")),
        Promise(OPERATE, "takt records", says("pitting 1 .*REJECT")),
        Promise(OPERATE, "takt backup", says("keys' digests, the record's database, 1 pictures, ")),
        Promise(
            OPERATE, "takt restore", says("^1 inspections with a picture, 1 pictures", "whole")
        ),
        Promise(
            OPERATE,
            'curl -H "Authorization: Bearer $(cat prometheus.key)" '
            "http://127.0.0.1:8000/v1/inspections/1",
            answers(id=1, model="pitting", anomalous=True),
        ),
        Promise(OPERATE, "takt serve --data-folder", opens("/health/ready")),
        Promise(OPERATE, "cmp", says(r"\A\Z")),
    ),
)
BEGINNER = Journey(
    "beginner",
    ((CONSOLE, ("1. A server without a model", "2. The first model", "3. A verdict")),),
    (
        Promise(CONSOLE, "takt serve", is_not_ready),
        Promise(CONSOLE, "curl http://127.0.0.1:8000/health/ready", answers(ready=True)),
    ),
    (
        Bar(
            "an empty server to a first model and a verdict, in the console",
            ("takt serve", "Open", "Choose the pictures", "Press **Learn**", "Wait for **Version"),
            60,
        ),
    ),
    goes_on_from="engineer",
)
QUALITY = Journey(
    "quality",
    ((CONSOLE, ("4. Another threshold",)),),
    (
        Promise(CONSOLE, "make serve", opens("/console/", "/health/ready")),
        Promise(CONSOLE, "curl --data-binary", answers(model="pitting", threshold=2.5)),
    ),
    (
        Bar(
            "a threshold moved with its consequence seen, in the console",
            ("Press **Models**", "Write `2.5`", "Press **Serve", "See **Recorded", "Wait for **2"),
            10,
        ),
    ),
    goes_on_from="programmer",
)
INTEGRATOR = Journey(
    "integrator",
    ((STATION, (TRY,)), (MQTT, (TRY,)), (WEBHOOKS, (TRY,))),
    (
        Promise(STATION, "takt simulate", says("^25 parts at the gate: ", "was its part's own")),
        Promise(MQTT, "takt serve", opens("/health/ready")),
        Promise(MQTT, "takt watch", says(r"6 answered .* 0 errors")),
        Promise(
            MQTT,
            "cat heard.txt",
            says(
                r"^takt/\S+/status/0 \{.*'online': True", r"/press1/pitting/verdict \{'id': '\w+-\d"
            ),
        ),
        Promise(WEBHOOKS, "takt serve", opens("/health/ready")),
        Promise(WEBHOOKS, "takt watch", says("ANOMALOUS")),
        Promise(WEBHOOKS, "cat received.txt", says(r"^\{'id': '\w+-\d.*'verdict': 'defect'")),
    ),
    (
        Bar("a plant in a box, once it is installed", ("takt simulate",), 60),
        Bar("an MQTT message, once it is installed", ("takt serve", "takt watch"), 60),
    ),
    # A station is among what `make install` brings.
    goes_on_from="engineer",
)
JOURNEYS = (NEWCOMER, ENGINEER, PROGRAMMER, OPERATOR, BEGINNER, QUALITY, INTEGRATOR)
