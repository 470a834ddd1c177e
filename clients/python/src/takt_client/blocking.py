"""The client for programs without asyncio: a face of the async one.

A REST call runs the async source over a network that blocks, without an event loop: a loop on a
thread of its own would add more than half a millisecond to each call. A stream has such a loop, as
it reads and writes at the same time.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack, overload

import httpx

from takt_client.calls import Calls
from takt_client.connection import ClientOptions
from takt_client.loop_thread import LoopThread
from takt_client.parts import ViewChoices, ViewInspected
from takt_client.pictures import ColorOrder, Picture, PixelArray, check_several, encoded, for_frame
from takt_client.retry import Attempts
from takt_client.session import FrameViewChoices, InspectChoices, PartLabels, StreamChoices
from takt_client.stream import AsyncTaktStream
from takt_client.values import Inspected, StreamItem, StreamStats

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class _Face(ABC, Generic[S]):
    """A blocking face of an async source."""

    _source: S

    @abstractmethod
    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a method of the source."""


def _blocking(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[_Face[S], P], T]:
    """The same method, for a face of the source."""

    def run(face: _Face[S], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return face._run(method(face._source, *args, **kwargs))

    functools.update_wrapper(run, method)
    return run


class TaktClient(_Face[Calls]):
    """A Takt server; use it with `with`. Threads may share it.

    Its methods are those of AsyncTaktClient, and block. All raise errors of `takt_client.errors`:
    those of the server by their code, and UnreachableError and UnreadableAnswerError for what is
    wrong on the way.

    >>> server = httpx.MockTransport(lambda request: httpx.Response(200, json={"models": []}))
    >>> with TaktClient("http://takt", transport=server) as client:
    ...     client.models()
    ()

    Args:
        url: of the server, http://HOST:PORT.
        transport: instead of a network.
        sleep: waits, instead of the system.
        **options: see `ClientOptions`.
    """

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._source = self._calls = _BlockingCalls(url, transport, sleep, options)

    @overload
    def inspect(
        self,
        model: str,
        picture: Picture,
        *,
        version: str | None = None,
        **choices: Unpack[InspectChoices],
    ) -> Inspected: ...
    @overload
    def inspect(
        self,
        model: str,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder,
        version: str | None = None,
        **choices: Unpack[InspectChoices],
    ) -> Inspected: ...
    @functools.wraps(Calls.inspect)
    def inspect(self, *args: Any, **kwargs: Any) -> Inspected:  # noqa: D102
        return self._run(self._calls.inspect(*args, **kwargs))

    @overload
    def inspect_view(
        self,
        part: str,
        view: str,
        picture: Picture,
        *,
        recipe: str,
        **choices: Unpack[ViewChoices],
    ) -> ViewInspected: ...
    @overload
    def inspect_view(
        self,
        part: str,
        view: str,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder,
        recipe: str,
        **choices: Unpack[ViewChoices],
    ) -> ViewInspected: ...
    @functools.wraps(Calls.inspect_view)
    def inspect_view(self, *args: Any, **kwargs: Any) -> ViewInspected:  # noqa: D102
        return self._run(self._calls.inspect_view(*args, **kwargs))

    recipes = _blocking(Calls.recipes)
    recipe = _blocking(Calls.recipe)
    recipe_revisions = _blocking(Calls.recipe_revisions)
    save_recipe = _blocking(Calls.save_recipe)
    remove_recipe = _blocking(Calls.remove_recipe)
    part = _blocking(Calls.part)
    end_part = _blocking(Calls.end_part)
    stations = _blocking(Calls.stations)
    station = _blocking(Calls.station)
    report_station = _blocking(Calls.report_station)
    change_station_recipe = _blocking(Calls.change_station_recipe)
    models = _blocking(Calls.models)
    model = _blocking(Calls.model)
    ready = _blocking(Calls.ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; streams are closed by their own `with`."""
        self._calls.http.close()

    def stream(
        self, model: str, *, version: str | None = None, **choices: Unpack[StreamChoices]
    ) -> TaktStream:
        """A stream of frames, to be used with `with`.

        Args:
            model: its name.
            version: of the model; else the active one.
            **choices: see `StreamChoices`.
        """
        return TaktStream(self._calls.new_stream(model, version, choices))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        # The source blocks, so it ends before it ever waits for an event loop.
        try:
            work.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        raise AssertionError("a blocking call waited for an event loop")


class TaktStream(_Face[AsyncTaktStream]):
    """`with`: sends frames and iterates over an item for each.

    A lost connection is opened again, within the client's retry policy, and what is unanswered is
    sent again. Sending and iterating may be done by one thread or by two; what arrives while `send`
    waits is kept until it is iterated over.

    Args:
        source: does the work, on an event loop of its own.
    """

    def __init__(self, source: AsyncTaktStream) -> None:
        self._source = source
        self._loop: LoopThread | None = None

    @overload
    def send(
        self,
        picture: Picture,
        *,
        captured_us: int = 0,
        labels: PartLabels | None = None,
        view: FrameViewChoices | None = None,
    ) -> None: ...
    @overload
    def send(
        self,
        picture: Picture | PixelArray,
        *,
        color: ColorOrder,
        captured_us: int = 0,
        labels: PartLabels | None = None,
        view: FrameViewChoices | None = None,
    ) -> None: ...
    @functools.wraps(AsyncTaktStream.send)
    def send(self, *args: Any, **kwargs: Any) -> None:  # noqa: D102
        self._run(self._source.send(*args, **kwargs))

    finish = _blocking(AsyncTaktStream.finish)

    @property
    def stats(self) -> StreamStats | None:
        """The server's counts; None until the stream is finished and iterated to its end."""
        return self._source.stats

    def __enter__(self) -> Self:
        self._loop = LoopThread()
        try:
            self._run(self._source.__aenter__())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._loop is not None
        try:
            self._run(self._source.__aexit__(kind))
        finally:
            self._loop.stop()

    @overload
    def inspect(self, pictures: Iterable[Picture]) -> Iterator[StreamItem]: ...
    @overload
    def inspect(
        self, pictures: Iterable[Picture | PixelArray], *, color: ColorOrder
    ) -> Iterator[StreamItem]: ...
    def inspect(
        self, pictures: Iterable[Any], *, color: ColorOrder | None = None
    ) -> Iterator[StreamItem]:
        """Send all pictures, yield an item for each, and finish the stream.

        `pictures` is iterated over in a thread of its own, so that an answer does not wait for the
        next picture. If the caller stops early, that thread ends with the picture it waits for.

        Args:
            pictures: each as for `send`.
            color: of those that are arrays.

        Raises:
            TaktError: sending or iterating failed; `pictures` may raise whatever it raises.
        """
        check_several(pictures, Iterable)
        failures: list[BaseException] = []
        stop = threading.Event()

        def feed() -> None:
            try:
                for picture in pictures:
                    if stop.is_set():
                        return
                    self.send(for_frame(picture, color))
            except BaseException as error:
                failures.append(error)
            if not stop.is_set():
                with contextlib.suppress(Exception):  # iterating meets the same
                    self.finish()

        feeding = threading.Thread(target=feed, name="takt-stream", daemon=True)
        feeding.start()
        try:
            yield from self
            feeding.join()
        finally:
            stop.set()
        if failures:
            raise failures[0]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamItem:
        try:
            return self._run(self._source.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None, "the stream is used within `with`"
        return self._loop.run(work)


class _BlockingCalls(Calls):
    """Calls whose coroutines block where those of AsyncTaktClient wait for the event loop."""

    http: httpx.Client

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], object] | None,
        options: ClientOptions,
    ) -> None:
        super().__init__(url, options)
        self.http = httpx.Client(**self._http_options, transport=transport)
        self._sleep = sleep

    def new_stream(
        self, model: str, version: str | None, choices: StreamChoices
    ) -> AsyncTaktStream:
        """A stream that is not open yet."""
        return self._stream(model, version, choices, self._wait if self._sleep else None)

    async def _send(self, request: httpx.Request, attempts: Attempts) -> httpx.Response:
        # httpx bounds each step by itself, and not all of them together.
        response = self.http.send(request, stream=True)
        assert isinstance(response.stream, httpx.SyncByteStream)
        try:
            response.stream = _TimedBody(response.stream, attempts)
            response.read()
        finally:
            response.close()
        return response

    async def _wait(self, delay_s: float) -> None:
        (self._sleep or time.sleep)(delay_s)

    async def _encoded(self, picture: Picture | PixelArray, color: ColorOrder | None) -> bytes:
        return encoded(picture, color)


class _TimedBody(httpx.SyncByteStream):
    """A response's body, for as long as the call may wait."""

    def __init__(self, body: httpx.SyncByteStream, attempts: Attempts) -> None:
        self._body = body
        self._attempts = attempts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            if self._attempts.over:
                raise httpx.ReadTimeout("the deadline passed while the answer came")
            yield part

    def close(self) -> None:
        self._body.close()
