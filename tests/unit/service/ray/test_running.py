from collections.abc import Awaitable, Callable

from takt.ray.running import until_known, until_left_out

Answer = list[str] | Exception


def answering(*answers: Answer) -> tuple[list[Answer], Callable[[], Awaitable[list[str]]]]:
    """Gives each answer in turn, and notes those that were given."""
    given: list[Answer] = []

    async def ask() -> list[str]:
        given.append(answers[len(given)])
        if isinstance(given[-1], Exception):
            raise given[-1]
        return given[-1]

    return given, ask


async def no_wait(seconds: float) -> None:
    """Let the time pass at once."""


async def asked(*answers: Answer) -> int:
    """How many questions it takes until the replica `own` knows that it is left out."""
    given, ask = answering(*answers)
    await until_left_out("own", ask, lambda: True, no_wait)
    return len(given)


async def test_a_replica_is_left_out_once_it_is_not_among_them_any_more() -> None:
    assert await asked(["own", "other"], ["other", "own"], ["other"]) == 3


async def test_one_that_is_not_among_them_yet_is_not_left_out() -> None:
    assert await asked(["other"], ["other", "own"], ["other"]) == 3


async def test_when_nobody_answers_nothing_is_known() -> None:
    assert await asked(["own"], TimeoutError(), RuntimeError("a replica died"), []) == 4


async def test_nobody_is_asked_while_nothing_would_follow() -> None:
    matters = iter([False, False, True, True])
    given, ask = answering(["own"], [])
    await until_left_out("own", ask, lambda: next(matters), no_wait)
    assert len(given) == 2


async def test_a_new_replica_looks_for_changes_until_each_other_one_tells_it() -> None:
    known = iter([False, False, True])
    happened: list[str] = []

    async def is_known() -> bool:
        happened.append("asked")
        return next(known)

    async def catch_up() -> None:
        happened.append("caught up")

    await until_known(is_known, catch_up, no_wait)
    # Last of all once it is known: what had changed before that nobody has told.
    assert happened == ["asked", "caught up"] * 3


async def test_a_new_replica_asks_again_where_another_one_has_just_ended() -> None:
    given, ask = answering(["others know"], RuntimeError("a replica died"), ["others know"])
    caught_up = iter([RuntimeError("a replica died"), None])

    async def known() -> bool:
        return bool(await ask())

    async def catch_up() -> None:
        if (error := next(caught_up)) is not None:
            raise error

    await until_known(known, catch_up, no_wait)
    assert len(given) == 3
