import sys
from dataclasses import dataclass

import pytest

from takt.commands.doctor.isolated import ask, run_limited


@dataclass(frozen=True)
class Count:
    names: tuple[str, ...]


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_an_answer_is_read_with_what_the_libraries_logged() -> None:
    code = "import sys; print('careful', file=sys.stderr); print('{\"names\": [\"' + sys.argv[1]"
    answer = ask(Count, "cuda", child=child(code + " + '\"]}')"))
    assert answer.value == Count(("cuda",))
    assert answer.failure == ""
    assert answer.log == "careful\n"


def test_a_crash_is_told_by_its_signal() -> None:
    answer = ask(Count, "cuda", child=child("import os; os.abort()"))
    assert answer.value is None
    assert answer.failure.startswith("it crashed with SIGABRT")


def test_a_probe_that_hangs_is_ended_with_what_it_started() -> None:
    code = (
        "import signal, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "signal.pause()"
    )
    answer = ask(Count, "cuda", limit_s=0.3, child=child(code))
    assert answer.value is None
    assert answer.failure == "it gave no answer within 0.3 s"


def test_a_process_that_fails_is_told_by_its_last_line() -> None:
    answer = ask(Count, "cuda", child=child("print(1); raise OSError('no libcuda')"))
    assert answer.failure == "it ended with 1: OSError: no libcuda"


def test_a_failure_of_the_probe_is_told_as_it_says() -> None:
    answer = ask(Count, "cuda", child=child('print(\'{"failure": "ImportError: no cv2"}\')'))
    assert answer.value is None
    assert answer.failure == "ImportError: no cv2"


@pytest.mark.parametrize("printed", ["", "hello", '{"names": 5}', "[]"])
def test_an_answer_that_is_none_is_a_failure(printed: str) -> None:
    answer = ask(Count, "cuda", child=child(f"print({printed!r})"))
    assert answer.value is None
    assert answer.failure == "it gave no answer that can be read"


def test_a_program_that_is_not_there_is_a_failure() -> None:
    finished = run_limited(("/nowhere/nvidia-smi",), 5)
    assert finished.failure.startswith("it cannot be started: ")
