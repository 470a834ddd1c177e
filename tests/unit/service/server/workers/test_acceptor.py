"""Each connection goes to the worker with the fewest, and waits where no worker has room."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from takt.server.listening import Listening
from takt.server.workers.acceptor import Acceptor
from takt.server.workers.member import Member, State
from takt.server.workers.ways.counts import CountTable
from takt.server.workers.ways.handing import Handed, hand, pair, take

pytestmark = pytest.mark.anyio


class Told(Member):
    """A worker that keeps what it is told."""

    def __init__(self, number: int, state: State = State.LOADED, *, ready: bool = True) -> None:
        self.its_messages, self.messages = socket.socketpair()
        way, self.its_way = pair()
        super().__init__(number, number, self.messages, way, 0.0)
        self.state, self.ready = state, ready
        self.told: list[dict[str, object]] = []

    def tell(self, kind: str, **facts: object) -> None:
        self.told.append({"kind": kind, **facts})

    def arrived(self) -> int:
        """Connections that have come by now; the supervisor is told so."""
        number = 0
        while (taken := take(self.its_way)) is not None:
            assert taken[1] is not None
            taken[1].close()
            number += 1
            assert hand(self.its_way, Handed("taken"))
        self.take()
        return number

    async def close(self) -> list[tuple[Handed, socket.socket]]:
        left = await super().close()
        self.end()
        return left

    def end(self) -> None:
        """Close all ends."""
        for end in (self.messages, self.way, self.its_messages, self.its_way):
            end.close()


class Plant:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.counts = CountTable.over(CountTable.memory(4), 4)
        self.members: list[Told] = []
        self.acceptor = Acceptor(Listening((self.listener,)), lambda: self.members, self.counts)
        self.clients: list[socket.socket] = []

    async def connect(self, number: int) -> None:
        address = self.listener.getsockname()
        self.clients += [socket.create_connection(address) for _ in range(number)]
        self.acceptor.look()
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def plant() -> Iterator[Plant]:  # type: ignore[misc]
    made = Plant()
    yield made
    made.acceptor.close()
    for member in made.members:
        for _, connection in await member.close():
            connection.close()
    for client in made.clients:
        client.close()


async def test_connections_go_to_whoever_has_the_fewest(plant: Plant) -> None:
    plant.members = [Told(0), Told(1)]
    plant.counts.row(0).add("connections", 4)
    await plant.connect(6)
    assert [one.arrived() for one in plant.members] == [1, 5]


async def test_nothing_is_accepted_until_a_worker_is_up_and_nobody_waits_for_models_alone(
    plant: Plant,
) -> None:
    plant.members = [Told(0, State.STARTING, ready=False)]
    await plant.connect(2)
    assert plant.members[0].arrived() == 0
    plant.members[0].state = State.UP
    await plant.connect(0)
    assert plant.members[0].arrived() == 2


async def test_a_worker_whose_models_load_or_that_leaves_gets_none_while_others_are_ready(
    plant: Plant,
) -> None:
    plant.members = [Told(0), Told(1, State.UP, ready=False), Told(2, State.LEAVING)]
    await plant.connect(4)
    assert [one.arrived() for one in plant.members] == [4, 0, 0]


async def test_a_worker_that_stands_still_gets_none_while_another_goes_on(plant: Plant) -> None:
    plant.members = [Told(0), Told(1)]
    plant.members[0].still = True
    await plant.connect(4)
    assert [one.arrived() for one in plant.members] == [0, 4]
    plant.members[1].still = True
    await plant.connect(2)
    assert [one.arrived() for one in plant.members] == [1, 1]


async def test_while_the_only_ready_worker_stands_still_connections_wait_for_it_or_another_one(
    plant: Plant,
) -> None:
    plant.members = [Told(0), Told(1, State.UP, ready=False)]
    plant.members[0].still = True
    await plant.connect(2)
    assert [one.arrived() for one in plant.members] == [0, 0]
    plant.members[0].still = False
    await plant.connect(0)
    assert [one.arrived() for one in plant.members] == [2, 0]
    plant.members[0].still = True
    await plant.connect(1)
    plant.members[1].ready = True
    await plant.connect(0)
    assert [one.arrived() for one in plant.members] == [0, 1]


async def test_what_a_worker_never_took_is_given_back_at_its_end(plant: Plant) -> None:
    plant.members = [Told(0)]
    await plant.connect(3)
    left = await plant.members.pop().close()
    assert [handed.kind for handed, _ in left] == ["main"] * 3
    plant.members = [Told(1)]
    for handed, connection in left:
        plant.acceptor.hand(handed, connection)
    assert plant.members[0].arrived() == 3


async def test_only_a_worker_with_far_more_is_asked_to_give_some_back(plant: Plant) -> None:
    plant.members = [Told(0), Told(1)]
    plant.counts.row(0).add("connections", 3)
    plant.counts.row(1).add("connections", 2)
    plant.acceptor.balance()
    assert plant.members[0].told == plant.members[1].told == []
    plant.counts.row(0).add("connections", 4)
    plant.acceptor.balance()
    assert plant.members[0].told == [{"kind": "give_back", "most": 2}]
