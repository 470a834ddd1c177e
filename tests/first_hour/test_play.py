"""The script itself: it does what a page says, in order, and finds what is wrong there."""

from __future__ import annotations

import contextlib
import doctest
import signal
from pathlib import Path

import pytest

from tests.first_hour import console, pages, play, terminal
from tests.first_hour.console import Seen
from tests.first_hour.journeys import Bar, Journey, Promise, answers, opens, says
from tests.first_hour.play import Done, time_of
from tests.workers import eventually

SERVER = """
import http.server, os, sys

class Ready(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
        self.wfile.write(b'{"ready": true}')

port = int(os.environ.get("TAKT_PORT", "8000"))
http.server.HTTPServer(("127.0.0.1", port), Ready).serve_forever()
"""
PAGE = """# Page

```sh
export SEEN=once && cd .    # what is set stays
make serve
```

<!-- first-hour: file program.py -->
```python
print("frame 0: score 0.25")
```

```sh
echo "$SEEN" \\
    more
python3 program.py
curl -s http://127.0.0.1:8000/health/ready
```

```text
frame  0: score 0.7727
```

<!-- first-hour: not run -->
```sh
false
```

<!-- first-hour: Ctrl-C -->
```sh
! curl -s http://127.0.0.1:8000/health/ready
```
"""
PROMISES = (
    Promise("p.md", "make serve", opens("/health/ready")),
    Promise("p.md", "echo", says("^once more$")),
    Promise("p.md", "curl", answers(ready=True)),
)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Plays a page; the commands that were run."""

    def copied(folder: Path) -> None:
        folder.mkdir()
        (folder / "p.md").write_text(page)
        (folder / "server.py").write_text(SERVER)
        (folder / "Makefile").write_text("serve:\n\tpython3 server.py\n")

    def of(text: str, *promises: Promise) -> list[Done]:
        nonlocal page
        page = text
        journey = Journey("user", (("p.md", None),), promises)
        return play.play(journey, tmp_path / "copy", tmp_path, lambda _: None)

    page = ""
    monkeypatch.setattr(play, "copy_tracked", copied)
    monkeypatch.setattr(play, "bring_pictures", lambda *_: 0)
    return of


def test_a_page_is_done_in_order_with_a_server_until_ctrl_c(done) -> None:
    played = done(PAGE, *PROMISES)

    assert [(one.command.split()[0], one.fault) for one in played] == [
        ("export", None),
        ("make", None),
        ("echo", None),
        ("python3", None),
        ("curl", None),
        ("!", None),
    ]
    assert played[2].command == 'echo "$SEEN" more'


def test_ctrl_c_ends_a_server_though_who_plays_the_page_ignores_it(done) -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
    try:
        played = done(PAGE, *PROMISES)
    finally:
        signal.signal(signal.SIGINT, former)

    assert [one.fault for one in played] == [None] * 6


@pytest.mark.parametrize(
    "right, wrong, fault",
    [
        ("python3 program.py", "python3 other.py", "it has ended with status 2"),
        ("frame  0: score", "frame  0: rank", "the page shows what was not printed"),
        ("SEEN=once", "SEEN=twice", "the output lacks"),
        ("make serve", "make nothing", "it has ended with status 2"),
        ("echo", "printf %s", "no command of the page begins so"),
        ("<!-- first-hour: Ctrl-C -->", "", "it has ended with status 1"),
        ("make serve", "make serve\nmake serve", "a server runs already"),
    ],
)
def test_what_a_page_says_wrongly_is_a_fault(done, right: str, wrong: str, fault: str) -> None:
    faults = [one.fault for one in done(PAGE.replace(right, wrong, 1), *PROMISES) if one.fault]

    assert len(faults) == 1
    assert faults[0].startswith(fault)


CONSOLE_PAGE = """# Page

<!-- first-hour: no model yet -->
```sh
make serve
```

1. A list that no reader is to do.

<!-- first-hour: browser -->
1. Open <http://127.0.0.1:8000>.
2. See **What turns**.

```sh
true
```

1. Another list.
"""


class Told:
    """A console that does whatever it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def do(self, sentence: str) -> Seen:
        self.sentences.append(sentence.partition(" ")[0])
        return Seen(clicks=1, text="What turns")


def test_what_a_page_says_to_do_in_the_console_is_done_in_order_and_counted(
    done, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Told()
    monkeypatch.setattr(play, "console", lambda _: contextlib.nullcontext(person))
    monkeypatch.setattr(f"{__name__}.SERVER", SERVER.replace("/health/ready", "/health/live"))

    played = done(CONSOLE_PAGE)

    assert [(one.command.split()[0], one.fault) for one in played] == [
        ("make", None),
        ("Open", None),
        ("See", None),
        ("true", None),
    ]
    assert person.sentences == ["Open", "See"]
    assert [(one.clicks, one.seen) for one in played[1:3]] == [(1, "What turns")] * 2


def test_a_sentence_that_nobody_knows_how_to_do_is_a_fault(done) -> None:
    (only,) = done("<!-- first-hour: browser -->\n1. Have a look.\n")

    assert only.command == "Have a look."
    assert only.fault.startswith("no reader of pages knows how to")


def living(group: str) -> int:
    """Number of processes of a group, but for those that nobody has asked how they ended."""
    count = 0
    for process in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of, *_ = process.read_text().rpartition(")")[2].split()
            count += of == group and state != "Z"
    return count


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_command_that_does_not_end_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    late = pytest.raises(terminal.StepError, match="it has not ended after 1 s")
    with terminal.terminal(folder, 1) as opened, late:
        opened.run("echo $BASHPID > group; sleep 600 & sleep 600", seconds=1)

    # The kernel ends what was killed a moment after it was told to.
    eventually(lambda: living((folder / "group").read_text().strip()) == 0)


def test_a_bar_is_the_time_of_its_steps_and_none_if_one_is_missing() -> None:
    played = [Done("u", "p", 1, "make x", 2.0), Done("u", "p", 2, "takt learn a", 3.0)]
    played.append(Done("u", "p", 3, "takt learn b", 9.0))

    assert time_of(Bar("b", ("make x", "takt learn"), 10), played) == 5.0
    assert time_of(Bar("b", ("make x", "takt serve"), 10), played) is None


@pytest.mark.parametrize("module", [console, pages, play, terminal])
def test_the_examples_of_the_docstrings_run(module) -> None:
    tested = doctest.testmod(module)

    assert tested.attempted > 0
    assert tested.failed == 0
