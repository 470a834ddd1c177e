import asyncio
import threading

import pytest

from service.commands.watch.worker import Worker


def test_calls_are_done_one_after_another_on_one_thread(go) -> None:
    async def test() -> None:
        worker = Worker("test")
        threads = await asyncio.gather(*(worker.call(threading.get_ident) for _ in range(5)))
        assert len(set(threads)) == 1
        assert threads[0] != threading.get_ident()
        worker.close(lambda: None)

    go(test)


def test_what_a_call_raises_comes_to_its_caller(go) -> None:
    def fail() -> None:
        raise ValueError("no")

    async def test() -> None:
        worker = Worker("test")
        with pytest.raises(ValueError, match="no"):
            await worker.call(fail)
        assert await worker.call(lambda: 1) == 1
        worker.close(lambda: None)

    go(test)


def test_a_call_that_does_not_return_keeps_nobody_and_the_last_comes_after_it() -> None:
    let_go, last = threading.Event(), threading.Event()

    async def give_up() -> None:
        worker = Worker("test")
        stuck = asyncio.create_task(worker.call(let_go.wait))
        await asyncio.sleep(0)
        stuck.cancel()
        await asyncio.wait({stuck})
        worker.close(last.set)

    asyncio.run(give_up())
    assert not last.is_set()
    let_go.set()
    assert last.wait(10)
