"""What a scripted server does with a stream, piece by piece."""

from __future__ import annotations

import json

from websockets.sync.server import ServerConnection

from fake_server import unpack


def greet(wire, connection: ServerConnection, **given: object) -> dict:
    hello = json.loads(connection.recv())
    connection.send(wire.welcome(**given))
    return hello


def answer_until_bye(wire, connection: ServerConnection) -> list[int]:
    """Answers each frame at once; the numbers of the frames."""
    numbers = []
    while isinstance(message := connection.recv(), bytes):
        numbers.append(unpack(message).sequence)
        connection.send(wire.answer(numbers[-1]))
    assert json.loads(message) == {"type": "bye"}
    connection.send(wire.goodbye(len(numbers)))
    connection.close()
    return numbers
