"""The process that `takt serve --workers N` is: it starts workers, and serves no picture itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from takt.core.errors import TaktError
from takt.core.host import core_shares
from takt.peers import Message
from takt.server.listening import Listening, url_of
from takt.server.workers.acceptor import Acceptor
from takt.server.workers.gathering import Gatherings
from takt.server.workers.member import SILENT_S, Member, State, excuse, kill_silent
from takt.server.workers.nursing import Nursery, NurseryError, WorkerOrder
from takt.server.workers.restarts import Restarts
from takt.server.workers.ways import handing
from takt.server.workers.ways.counts import CountTable
from takt.settings import Settings

_TICK_S = 1.0
"""Time between two looks at how connections are spread."""
_LOOK_STILL_S = 0.25
"""Time between two looks whether a worker stands still, or has to be killed."""
_LOADED_WITHIN_S = 600.0
"""Longest time that a worker which replaces another may load."""
_KILLED_AFTER_S = 5.0
"""Time beyond the drain after which a worker that does not end is killed."""
_FIXED = ("host", "port", "metrics_port", "grpc_port", "workers")
"""Settings that a reload cannot change, as connections wait on the sockets."""

logger = logging.getLogger("takt.workers")


def supervise(settings: Settings, listening: Listening, load: Callable[[], Settings]) -> int:
    """Serve by several workers until the process is told to end; gives the exit status.

    Args:
        settings: of the server.
        listening: its sockets, whose connections are handed to the workers.
        load: loads the settings anew, for a reload.
    """
    return asyncio.run(WorkerSupervisor(settings, listening, load).run())


class WorkerSupervisor:
    """Starts workers, replaces those that end, and ends them.

    SIGTERM, SIGINT and SIGQUIT end, a second one in a hurry; SIGHUP has the model repository be
    looked at; SIGUSR2 replaces the workers one after another, by new ones with new settings.

    Args:
        settings, listening, load: as `supervise` says.
    """

    def __init__(
        self, settings: Settings, listening: Listening, load: Callable[[], Settings]
    ) -> None:
        self._settings = settings
        self._load = load
        self._listening = listening
        # A worker and the one that replaces it overlap.
        self._rows = 2 * settings.workers + 2
        self._counts_memory = CountTable.memory(self._rows)
        self._counts = CountTable.over(self._counts_memory, self._rows)
        self._members: list[Member] = []
        self._nursery: Nursery
        self._acceptor = Acceptor(listening, lambda: self._members, self._counts)
        self._gatherings = Gatherings(lambda: self._members)
        self._restarts = Restarts(settings.workers)
        self._cores = core_shares(settings.workers)
        self._changed = asyncio.Event()
        self._ending = False
        self._any_up = False
        self._status = 0
        self._reloading: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Supervise until every worker has ended; gives the exit status."""
        self._take_signals()
        try:
            self._nursery = await self._open_nursery(self._settings)
        except NurseryError as error:
            logger.error("%s", error)
            return 1
        for slot in range(self._settings.workers):
            await self._begin(slot)
        ticking = [asyncio.create_task(one()) for one in (self._tick, self._look_still)]
        while self._members or not self._ending:
            self._changed.clear()
            await self._changed.wait()
        for task in ticking:
            task.cancel()
        self._acceptor.close()
        for task in list(self._tasks):
            task.cancel()
        await self._nursery.close()
        os.close(self._counts_memory)
        return self._status

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(ending, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._look_again)
        loop.add_signal_handler(signal.SIGUSR2, self._begin_reload)
        loop.add_signal_handler(signal.SIGUSR1, logger.info, "SIGUSR1 changes nothing here")

    async def _open_nursery(self, settings: Settings) -> Nursery:
        nursery = await Nursery.open(settings)
        nursery.ended = lambda: self._note_nursery_end(nursery)
        nursery.forked = self._note_process
        return nursery

    def _note_process(self, number: int, pid: int) -> None:
        """Know the process of a worker that may never say anything itself."""
        for member in self._members:
            if member.number == number and not member.hears:
                member.pid = pid

    def _note_nursery_end(self, nursery: Nursery) -> None:
        if nursery is self._nursery and not self._ending:
            self._start(self._renew_nursery(nursery))

    async def _renew_nursery(self, former: Nursery) -> None:
        """Open another nursery; workers go on without one, but could not be started again."""
        while not self._ending and self._nursery is former:
            try:
                self._nursery = await self._open_nursery(self._settings)
            except NurseryError as error:
                logger.error("%s; it is tried again", error)
                await asyncio.sleep(_TICK_S)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._acceptor.look()
            self._acceptor.balance()

    async def _look_still(self) -> None:
        """Have nobody wait for a worker that says nothing, each know of it, and it be replaced."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + _LOOK_STILL_S
        while True:
            await asyncio.sleep(_LOOK_STILL_S)
            now_s = loop.time()
            excuse(self._members, now_s - due_s)
            due_s = now_s + _LOOK_STILL_S
            kill_silent(self._members, now_s)
            for member in list(self._members):
                if member.look_still(now_s) != member.still:
                    self._note_still(member, not member.still)

    def _note_still(self, member: Member, still: bool) -> None:
        member.still = still
        if still:
            logger.warning(
                "worker %d (process %s) says nothing, so that nobody waits for it; it is killed if "
                "it goes on for %.0f s",
                *(member.slot, member.pid, SILENT_S),
            )
            self._gatherings.give_up(member)
        else:
            logger.warning("worker %d (process %s) goes on", member.slot, member.pid)
        self._acceptor.look()
        self._tell_still(member)

    def _tell_still(self, changed: Member) -> None:
        number = sum(one.still for one in self._members)
        for one in self._members:
            if one is not changed and one.hears:
                facts = {"worker": changed.number, "leads": changed.leads}
                one.tell("still", **facts, now=changed.still, workers=number)

    async def _begin(self, slot: int) -> Member:
        """Start a worker."""
        number = min(set(range(self._rows)) - {one.number for one in self._members})
        self._counts.clear(number)
        messages, its_messages = socket.socketpair()
        way, its_way = handing.pair()
        member = Member(number, slot, messages, way, asyncio.get_running_loop().time())
        self._members.append(member)
        await member.open(partial(self._take, member), lambda: self._start(self._ended(member)))
        asyncio.get_running_loop().add_reader(way, self._take_back, member)
        with its_messages, its_way:
            cores, rpc = self._cores[slot], self._listening.rpc
            order = WorkerOrder(number, self._rows, cores, rpc, self._nursery.settings_json)
            descriptors = [its_messages.fileno(), its_way.fileno(), self._counts_memory]
            self._nursery.order(order, descriptors)
        return member

    def _take(self, member: Member, message: Message) -> None:
        member.heard_s = asyncio.get_running_loop().time()
        match message["kind"]:
            case "hello":
                member.pid, member.hears = message["pid"], True
                if self._ending:
                    member.tell("end", hurry=False)
            case "up":
                if not self._any_up:
                    self._tell_where()
                self._any_up = True
                if member.state is State.STARTING:
                    member.state = State.UP
                self._choose_leader()
                self._acceptor.look()
            case "loaded":
                member.ready = message["ready"]
                if member.state is State.UP:
                    member.state = State.LOADED
                self._acceptor.look()
                self._changed.set()
            case "ask":
                self._gatherings.ask(member, message)
            case "reply":
                self._gatherings.reply(member, message)
            case "alive":
                member.ready = message["ready"]
            case "counted":
                member.count(message["families"])

    def _tell_where(self) -> None:
        scheme = "https" if self._settings.tls_certificate is not None else "http"
        for one in self._listening.main[:1]:
            logger.info("%d workers, running on %s", self._settings.workers, url_of(scheme, one))
        for one in self._listening.metrics[:1]:
            logger.info("metrics are on %s", url_of("http", one))

    def _take_back(self, member: Member) -> None:
        for handed, connection in member.take():
            if handed.kind != "relayed":
                self._acceptor.hand(handed, connection)
                continue
            owner = [one for one in self._members if _owns(one, handed.worker)]
            if not (owner and not owner[0].still and owner[0].hand(handed, connection)):
                connection.close()

    async def _ended(self, member: Member) -> None:
        """Go on without a worker whose process is gone."""
        asyncio.get_running_loop().remove_reader(member.way)
        self._members.remove(member)
        self._gatherings.depart(member)
        if member.still:
            member.still = False
            self._tell_still(member)
        self._counts.clear(member.number)
        for handed, connection in await member.close():
            self._acceptor.hand(handed, connection)
        self._choose_leader()
        self._acceptor.look()
        if not self._ending and not self._is_filled(member.slot):
            if self._any_up:
                self._start(self._begin_again(member))
            else:
                # As where there is one process: whatever keeps it from starting is in the log.
                self._status = 1
                self._end()
        self._changed.set()

    async def _begin_again(self, member: Member) -> None:
        now_s = asyncio.get_running_loop().time()
        wait_s = self._restarts.wait_s(member.slot, now_s - member.started_s)
        logger.error(
            "worker %d (process %s) has ended; it is started again in %.1f s",
            *(member.slot, member.pid, wait_s),
        )
        await asyncio.sleep(wait_s)
        if not self._ending and not self._is_filled(member.slot):
            await self._begin(member.slot)

    def _is_filled(self, slot: int) -> bool:
        """Whether a worker is there that stays: of two, one replaces the other."""
        return any(one.slot == slot and one.state is not State.LEAVING for one in self._members)

    def _leads_in(self, slot: int) -> bool:
        """Whether the worker of a slot is the one that leads."""
        return any(one.leads for one in self._members if one.slot == slot)

    def _choose_leader(self) -> None:
        """Have one worker do what only one may, once the former one is gone."""
        if any(one.leads for one in self._members):
            return
        able = [one for one in self._members if one.state in (State.UP, State.LOADED)]
        if able:
            able[0].leads = True
            able[0].tell("lead")

    def _end(self) -> None:
        """Have every worker drain and end; in a hurry if it is said again."""
        hurry = self._ending
        if not hurry:
            logger.info("%d workers drain and end", len(self._members))
            self._ending = True
            self._acceptor.close()
            if self._reloading is not None:
                self._reloading.cancel()
            self._start(self._kill_late())
        for member in self._members:
            member.tell("end", hurry=hurry)
        self._changed.set()

    async def _kill_late(self) -> None:
        await asyncio.sleep(self._settings.drain_timeout_s + _KILLED_AFTER_S)
        for member in self._members:
            logger.error("worker %d does not end and is killed", member.slot)
            member.kill()

    def _look_again(self) -> None:
        logger.info("SIGHUP: the workers look at the model repository")
        for member in self._members:
            member.tell("look")

    def _begin_reload(self) -> None:
        if self._ending or (self._reloading is not None and not self._reloading.done()):
            logger.warning("SIGUSR2 came while the workers are being replaced or end already")
            return
        self._reloading = self._start(self._reload())

    async def _reload(self) -> None:
        """Replace the workers one after another, each once its successor answers."""
        try:
            settings = self._load()
        except TaktError as error:
            logger.error("the workers stay, as the settings are refused: %s", error)
            return
        fixed = [
            name for name in _FIXED if getattr(settings, name) != getattr(self._settings, name)
        ]
        if fixed:
            logger.error("the workers stay, as %s cannot change while serving", ", ".join(fixed))
            return
        try:
            nursery = await self._open_nursery(settings)
        except NurseryError as error:
            logger.error("the workers stay: %s", error)
            return
        former, self._nursery = self._nursery, nursery
        replaced = 0
        # The one that leads is the last: what it does alone is interrupted once, and not by each.
        for slot in sorted(range(settings.workers), key=self._leads_in):
            if not await self._replace(slot):
                break
            replaced += 1
        if replaced:
            self._settings = settings
        else:
            # Whatever ends later begins anew by the settings that hold.
            former, self._nursery = self._nursery, former
        # Said last, as the next reload may be asked for from then on.
        if replaced == settings.workers:
            await former.close()
            logger.info("all workers were replaced")
        else:
            # It ends with its last worker, which may serve for long.
            self._start(former.close())
            logger.error("the reload has ended; the workers that are left stay as they are")

    async def _replace(self, slot: int) -> bool:
        """Start a worker and let its predecessor go; False where it cannot answer."""
        former = [one for one in self._members if one.slot == slot]
        successor = await self._begin(slot)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOADED_WITHIN_S):
                while successor in self._members and successor.state is not State.LOADED:
                    self._changed.clear()
                    await self._changed.wait()
        if successor not in self._members or not successor.ready:
            if successor.state is State.STARTING:
                # It hears nothing, so that it would stay.
                successor.kill()
            successor.state = State.LEAVING
            successor.tell("end", hurry=False)
            return False
        for one in former:
            one.state = State.LEAVING
            one.tell("leave")
        self._acceptor.look()
        late_s = self._settings.drain_timeout_s + _KILLED_AFTER_S
        while any(one in self._members for one in former):
            self._changed.clear()
            try:
                async with asyncio.timeout(late_s):
                    await self._changed.wait()
            except TimeoutError:
                for one in former:
                    one.kill()
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _owns(member: Member, worker: int | None) -> bool:
    return member.leads if worker is None else member.number == worker
