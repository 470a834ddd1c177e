"""The watch of one station and model: has the camera or the light changed, or are defects more?

Two causes, and one alarm for each until it has ended. A darker picture scores higher as well, and
a run of defects moves facts of their pictures. So they are told apart by the order of these rules:

1. Facts have moved, and scores have not: it is the camera.
2. Facts have moved, and either scores have risen in all pictures alike, or most of the facts that
   have moved did so in all alike: it is the camera. What a lamp or a lens does it does to each
   picture by about as much; what defects do scatters.
3. Scores have risen, and none of that has come true while it was waited for: there are more
   defects. `PATIENCE` says for how many pictures, and `LONG_PATIENCE` where facts may have moved.

While one alarm stands, what else the facts say is put down to its cause, but for rule 2: the camera
takes over an alarm of defects that was raised after the camera had changed. An alarm ends when the
evidence for it has fallen to the fourth root of the limit. While it stands, no bet's evidence grows
to more than `ROOM` times what it was when the alarm was raised, so that what took few pictures to
be seen takes few to be seen to have ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from takt.watching.calibration import CalibratedFacts, FactSide, Side
from takt.watching.evidence import GatheredEvidence

Cause = Literal["camera", "defects"]

PATIENCE: Final = 30
"""Pictures for which risen scores wait whether facts of pictures speak, too."""

LONG_PATIENCE: Final = 60
"""The same where they may, and it is not clear in which pictures."""

ROOM: Final = 1000.0
"""By how much evidence may grow while its alarm stands."""

_FEWEST, _MOST = 12, 32
"""Pictures of which it is told whether all have moved alike, the last ones since the change."""

_AT_ONCE: Final = 4096
"""Pictures whose worth is computed at once, so that it needs little memory."""

_FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Moved:
    """A fact that has moved to one side.

    Attributes:
        fact: its name.
        side: to which.
        since: number of the first picture that is thought to be after the change.
        evidence: that it has; an alarm is raised where all facts together have the limit.
    """

    fact: str
    side: Side
    since: int
    evidence: float


@dataclass(frozen=True, slots=True)
class CauseAlarm:
    """One cause, as it was seen when the alarm was raised.

    Attributes:
        cause: of it.
        picture: number of the picture with which it was raised; the watch's first is 0.
        since: number of the first picture that is thought to be after the change.
        moved: the facts, the one with most evidence first.
    """

    cause: Cause
    picture: int
    since: int
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class CauseEnded:
    """A cause that is gone.

    Attributes:
        alarm: that has ended.
        picture: number of the picture with which it has.
    """

    alarm: CauseAlarm
    picture: int


CauseEvent = CauseAlarm | CauseEnded

_ALARM: Final = TypeAdapter(CauseAlarm)


class CauseWatch:
    """Watches the pictures of one station and model, in their order.

    >>> table = np.random.default_rng(0).normal(size=(200, 2))
    >>> watch = CauseWatch(CalibratedFacts(("brightness", "score"), table))
    >>> dark = np.random.default_rng(1).normal((-3, 1), size=(100, 2))
    >>> alarm = watch.see_all(dark)[0]
    >>> alarm.cause, alarm.since, alarm.moved[0].fact, alarm.moved[0].side
    ('camera', 0, 'brightness', 'low')

    Args:
        calibration: of the model.

    Attributes:
        pictures: number of those that were seen.
    """

    def __init__(self, calibration: CalibratedFacts) -> None:
        self._calibration = calibration
        self._over = calibration.limit**0.25
        self._begin()

    def _begin(self) -> None:
        calibration = self._calibration
        self._evidence = GatheredEvidence.none(calibration.size)
        self.pictures = 0
        self._most = calibration.most.copy()
        # The last pictures' facts, and the same beside what is usual for them.
        self._last = np.empty((0, 2, len(calibration.facts)))
        self._waited = 0
        self._standing: dict[Cause, CauseAlarm] = {}

    @property
    def standing(self) -> tuple[CauseAlarm, ...]:
        """The alarms whose causes have not ended."""
        return tuple(self._standing.values())

    def see_all(self, pictures: NDArray[np.float64]) -> list[CauseEvent]:
        """What pictures make happen: nothing, nearly always; the same if they came one by one.

        Args:
            pictures: their facts in the calibration's order [m, d]; NaN where one is not known.
        """
        calibration, evidence = self._calibration, self._evidence
        weights, most = calibration.weights, self._most
        events: list[CauseEvent] = []
        for start in range(0, len(pictures), _AT_ONCE):
            portion = pictures[start : start + _AT_ONCE]
            beside = calibration.nearest.beside(portion)
            worth = calibration.worth(beside)
            earlier = len(self._last)
            seen = np.concatenate([self._last, np.stack([portion, beside], axis=1)])
            for number, row in enumerate(worth, earlier + 1):
                evidence.add(row, most)
                self._last = seen[max(0, number - _MOST) : number]
                camera, defects = (evidence.strength @ weights).tolist()
                events.extend(self._judge(camera, defects))
                self.pictures += 1
            self._last = self._last.copy()
        return events

    def moved(self, cause: Cause) -> tuple[Moved, ...]:
        """The facts that speak for a cause now, the one with most evidence first.

        Those are the first and what has more evidence of its own than ends an alarm.
        """
        calibration, evidence = self._calibration, self._evidence
        weighted = evidence.strength * calibration.weights.sum(axis=1) * self._bets_of(cause)
        of_side: dict[FactSide, list[int]] = {}
        for bet in np.flatnonzero(weighted).tolist():
            of_side.setdefault(calibration.side_of(bet), []).append(bet)
        sums = {side: float(weighted[bets].sum()) for side, bets in of_side.items()}
        most = max(sums.values(), default=0.0)
        found = []
        for side, bets in of_side.items():
            if min(most, self._over) <= sums[side]:
                strongest = max(bets, key=lambda bet: float(weighted[bet]))
                age = float(evidence.age[strongest] / evidence.strength[strongest])
                since = max(0, self.pictures - round(age))
                found.append(Moved(side.fact, side.side, since, sums[side]))
        return tuple(sorted(found, key=lambda one: -one.evidence))

    def restart(self) -> None:
        """Forgets all evidence and all alarms: somebody has dealt with the cause."""
        seen = self.pictures
        self._begin()
        self.pictures = seen

    def state(self) -> bytes:
        """All that the watch knows, for `resume`."""
        said = {
            "format": _FORMAT,
            "fingerprint": self._calibration.fingerprint,
            "pictures": self.pictures,
            "waited": self._waited,
            "standing": [asdict(one) for one in self._standing.values()],
        }
        evidence = self._evidence
        arrays = (evidence.strength, evidence.age, self._most, self._last.ravel())
        return json.dumps(said).encode() + b"\n" + np.concatenate(arrays).astype("<f8").tobytes()

    def resume(self, state: bytes) -> bool:
        """Goes on from a state; tells whether it is one of the same calibration.

        Where it is not, the watch stays as it is.
        """
        head, _, arrays = state.partition(b"\n")
        said = json.loads(head)
        if said.get("format") != _FORMAT:
            return False
        if said["fingerprint"] != self._calibration.fingerprint:
            return False
        size = self._calibration.size
        numbers = np.frombuffer(arrays, "<f8").astype(np.float64)
        self._evidence = GatheredEvidence(numbers[:size].copy(), numbers[size : 2 * size].copy())
        self._most = numbers[2 * size : 3 * size].copy()
        self._last = numbers[3 * size :].reshape(-1, 2, len(self._calibration.facts)).copy()
        self.pictures = said["pictures"]
        self._waited = said["waited"]
        self._standing = {one["cause"]: _ALARM.validate_python(one) for one in said["standing"]}
        return True

    def _judge(self, camera: float, defects: float) -> Iterator[CauseEvent]:
        limit, over = self._calibration.limit, self._over
        if "camera" in self._standing:
            if camera < over:
                yield self._end("camera")
        elif camera >= limit and (defects < over or self._alike()):
            yield from self._raise_camera()
        if "defects" in self._standing:
            if defects < over:
                yield self._end("defects")
        elif defects < over or "camera" in self._standing:
            self._waited = 0
        elif defects >= limit or self._waited:
            self._waited += 1
            if self._waited > (LONG_PATIENCE if camera >= over else PATIENCE):
                yield self._raise("defects")

    def _alike(self) -> bool:
        """Whether scores, or most facts that have moved, did so in all pictures since alike."""
        moved, risen = self.moved("camera"), self.moved("defects")[0]
        last = self._last[min(moved[0].since, risen.since) - self.pictures - 1 :]
        few = math.sqrt(len(last))
        # Of scores it is enough that they have risen at all, of facts much is asked: defects
        # scatter most in the scores. Few pictures tell neither well.
        if self._moved_alike(risen.fact, last, 3 / few, 0):
            return True
        alike = [self._moved_alike(one.fact, last, 1.2 * (1 + 2 / few), 1.8) for one in moved]
        return 2 * sum(alike) >= len(alike)

    def _moved_alike(
        self, fact: str, last: NDArray[np.float64], deviations: float, usual_deviations: float
    ) -> bool:
        """Whether a fact has moved in the last pictures by about as much.

        They differ then as the calibration's pictures do; the larger the change, the more may it
        have changed that as well.

        Where the change has moved what the most alike good pictures are chosen by, pictures scatter
        beside those, though all have moved alike. So it is enough that they scatter as ever by
        themselves.

        Args:
            fact: its name.
            last: facts of pictures, and the same beside what is usual for them [m, 2, d].
            deviations: of these by which their mean has moved at least.
            usual_deviations: those of the calibration by which it has at least.
        """
        calibration = self._calibration
        column = calibration.facts.index(fact)
        own, beside = last[~np.isnan(last[:, 0, column]), :, column].T
        if len(own) < _FEWEST:
            return False
        away = abs(float(beside.mean() - calibration.means[column]))
        least = usual_deviations * calibration.deviations[column]
        return any(
            away >= max(deviations * scatter, least) and scatter <= 1.2 * usual + away / 16
            for scatter, usual in (
                (float(beside.std(ddof=1)), calibration.deviations[column]),
                (float(own.std(ddof=1)), calibration.scatters[column]),
            )
        )

    def _raise_camera(self) -> Iterator[CauseEvent]:
        alarm = self._raise("camera")
        other = self._standing.get("defects")
        if other is not None and alarm.since <= other.picture:
            yield self._end("defects")
        yield alarm

    def _raise(self, cause: Cause) -> CauseAlarm:
        moved = self.moved(cause)
        alarm = CauseAlarm(cause, self.pictures, moved[0].since, moved)
        self._standing[cause] = alarm
        self._waited = 0
        bets = self._bets_of(cause)
        room = ROOM * np.maximum(self._evidence.strength, 1)
        self._most[bets] = np.minimum(self._most, room)[bets]
        return alarm

    def _end(self, cause: Cause) -> CauseEnded:
        bets = self._bets_of(cause)
        self._most[bets] = self._calibration.most[bets]
        return CauseEnded(self._standing.pop(cause), self.pictures)

    def _bets_of(self, cause: Cause) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._calibration.weights[:, int(cause == "defects")] > 0
        return found
