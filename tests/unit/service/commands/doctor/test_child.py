import json
import sys

import pytest

from takt.commands.doctor import child
from takt.commands.doctor.facts import DecodingFacts
from takt.commands.doctor.isolated import CHILD, run_limited


def test_an_answer_is_told_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PROBES", {"opencv": lambda: DecodingFacts("5.0", "turbo")})
    assert json.loads(child.reply("opencv", ())) == {"opencv": "5.0", "jpeg": "turbo", "lacks": []}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ImportError("libGL.so.1: missing\nmore"), "ImportError: libGL.so.1: missing"),
        (RuntimeError(), "RuntimeError()"),
    ],
)
def test_what_a_library_raises_becomes_a_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception, failure: str
) -> None:
    def probe(argument: str) -> DecodingFacts:
        raise error

    monkeypatch.setattr(child, "PROBES", {"opencv": probe})
    assert json.loads(child.reply("opencv", ("argument",))) == {"failure": failure}


def test_what_libraries_print_does_not_spoil_the_answer() -> None:
    code = (
        "import os, subprocess, sys\n"
        "from takt.commands.doctor import child\n"
        "from takt.commands.doctor.facts import DecodingFacts\n"
        "def probe():\n"
        "    print('from python', flush=True)\n"
        "    os.system('echo from below')\n"
        "    return DecodingFacts('5.0', 'turbo')\n"
        "child.PROBES = {'opencv': probe}\n"
        "child.main()\n"
    )
    finished = run_limited((sys.executable, "-c", code, "opencv"), 60)
    assert json.loads(finished.output) == {"opencv": "5.0", "jpeg": "turbo", "lacks": []}
    assert finished.log.splitlines() == ["from python", "from below"]


def test_the_child_starts_as_it_is_called() -> None:
    finished = run_limited((*CHILD, "opencv"), 60)
    assert finished.failure == ""
    assert "turbo" in json.loads(finished.output)["jpeg"]
