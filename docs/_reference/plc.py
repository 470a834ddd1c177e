"""What a controller's programmer has to know of a station: its registers, and its scenes."""

from __future__ import annotations

from docs._reference.markdown import prose, table
from docs._reference.timing import SCENES
from takt_station.cycle.signals import NoDecisionReason
from takt_station.plc.registers import RegisterMap
from takt_station.plc.signals import CONTROLS, REASONS, STATUSES, Kind, Signal

_HEAD = ("address", "bit", "type", "signal", "meaning")
_WHY = {
    NoDecisionReason.DEADLINE: "no verdict came in time",
    NoDecisionReason.ACQUISITION: "the camera gave no picture",
    NoDecisionReason.UNREACHABLE: "the server could not be asked",
    NoDecisionReason.REFUSED: "the server refused, such as with a full queue",
    NoDecisionReason.UNDECIDED: "the picture cannot be judged",
    NoDecisionReason.RECIPE: "there is no recipe of the number that was asked for last, or none of "
    "the part's code",
    NoDecisionReason.VIEW: "not all views of the part were there",
    NoDecisionReason.OFFLINE: "engine, camera or station were not well",
    NoDecisionReason.BUSY: "the trigger came while the station was not ready for one",
}


def controls() -> str:
    """A row for each bit and word that a controller writes."""
    return _registers(CONTROLS)


def statuses() -> str:
    """A row for each bit and word that it reads."""
    return _registers(STATUSES)


def reasons() -> str:
    """A row for each reason of no decision."""
    rows = ((str(number), f"`{one}`", _WHY[one]) for one, number in REASONS.items())
    return table(("number", "in the record", "why there is no decision"), rows)


def scenes() -> str:
    """Each drawing, with what happens in it."""
    parts = []
    for scene in SCENES:
        notes = scene.played().notes
        text = "\n".join(f"{number}. {note.text}" for number, note in enumerate(notes, 1))
        drawing = f"![Timing diagram: {scene.title}](plc/{scene.name}.svg)"
        parts.append(f"### {scene.title}\n\n{drawing}\n\n{text}")
    return "\n\n".join(parts)


def _registers(signals: tuple[Signal, ...]) -> str:
    places = RegisterMap()
    rows = []
    for signal in signals:
        address = places.address(signal)
        bits = {Kind.BIT: str(signal.bit), Kind.THREE_BITS: f"{signal.bit} to {signal.bit + 2}"}
        title = f"{signal.title} (ours)" if signal.ours else signal.title
        kind = f"{signal.kind}[{signal.length}]" if signal.length else signal.kind.value
        at = _addresses(address, signal.words)
        rows.append((at, bits.get(signal.kind, ""), kind, title, prose(signal.meaning)))
    return table(_HEAD, rows)


def _addresses(first: int, words: int) -> str:
    """The addresses of one word, of two, or of a row.

    >>> [_addresses(3, words) for words in (1, 2, 16)]
    ['3', '3, 4', '3 to 18']
    """
    if words > 2:
        return f"{first} to {first + words - 1}"
    return f"{first}, {first + 1}" if words == 2 else str(first)
