"""What waits in a batcher, and how its caller is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from service.errors import TaktError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """An item's result and where its time went."""

    result: Result
    queue_s: float
    run_s: float


RunOne = Callable[[Item], Done[Result]]
"""Runs a single item on a borrowed runner."""


@dataclass(frozen=True, slots=True)
class Ran(Generic[Result]):
    """A batch that ran."""

    results: Sequence[Result]
    run_s: float


class Pending(Generic[Item, Result]):
    """An item that waits for its turn, and its caller for the result."""

    __slots__ = ("arrived_s", "deadline_s", "future", "item")

    def __init__(self, item: Item, future: asyncio.Future[Done[Result]], deadline_s: float) -> None:
        self.item = item
        self.future = future
        self.deadline_s = deadline_s
        self.arrived_s = time.monotonic()


class Loan(Generic[Item, Result]):
    """A job that borrows a runner."""

    __slots__ = ("future", "given_up", "job")

    def __init__(self, job: Callable[[RunOne[Item, Result]], Any], future: asyncio.Future[Any]):
        self.job = job
        self.future = future
        self.given_up = False


def deliver(batch: list[Pending[Any, Any]], ran: Ran[Any], started_s: float) -> None:
    """Answer the callers of a batch; on the event loop."""
    for pending, result in zip(batch, ran.results, strict=True):
        settle(pending.future, Done(result, started_s - pending.arrived_s, ran.run_s), None)


def fail(batch: list[Pending[Any, Any]], error: TaktError) -> None:
    """Answer the callers of a batch by an error; on the event loop."""
    for pending in batch:
        settle(pending.future, None, error)


def settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    """Answer a caller, unless it has gone."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
