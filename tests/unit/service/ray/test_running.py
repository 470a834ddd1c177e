from collections.abc import Iterable

from service.ray.running import until_left_out


class Ray:
    """Answers each question with the next of its answers."""

    def __init__(self, answers: Iterable[list[str] | Exception]) -> None:
        self._answers = iter(answers)
        self.left = True

    async def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> list[str]:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def no_wait(seconds: float) -> None:
    """Let the time pass at once."""


async def asked(*answers: list[str] | Exception) -> int:
    """How many questions it takes until the replica `own` knows that it is left out."""
    questions = 0

    def ask() -> Ray:
        nonlocal questions
        questions += 1
        return ray

    ray = Ray(answers)
    await until_left_out("own", ask, lambda: True, no_wait)
    return questions


async def test_a_replica_is_left_out_once_it_is_not_among_them_any_more() -> None:
    assert await asked(["own", "other"], ["other", "own"], ["other"]) == 3


async def test_one_that_is_not_among_them_yet_is_not_left_out() -> None:
    assert await asked(["other"], ["other", "own"], ["other"]) == 3


async def test_when_nobody_answers_nothing_is_known() -> None:
    assert await asked(["own"], TimeoutError(), RuntimeError("a replica died"), []) == 4


async def test_nobody_is_asked_while_nothing_would_follow() -> None:
    matters = iter([False, False, True, True])
    questions = 0

    def ask() -> Ray:
        nonlocal questions
        questions += 1
        return ray

    ray = Ray([["own"], []])
    await until_left_out("own", ask, lambda: next(matters), no_wait)
    assert questions == 2
