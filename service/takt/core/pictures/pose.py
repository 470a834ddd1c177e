"""Where a part lies: how far it is shifted, turned and scaled beside where good parts lie.

A small gray picture is laid upon the mean one of good parts. A linear map of its cells tells a
small movement,

    e = W ĝ + c,    ĝ = (g - mean g) / |g - mean g|,

where g is each cell's level less the mean around it, without the border. The picture is moved back
by e, and what is left is told again. A far shift is found by phase correlation first. Of both ways
the one counts after which the picture is more like the mean one. `takt_export/calibration/poses.py`
teaches W.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]
"""Gray levels, float32 [SIDE, SIDE]."""

SIDE: Final = 64
"""Rows and columns of the small gray picture."""

CELLS: Final = 32
"""Rows and columns of its cells."""

_AROUND: Final = 2 * round(CELLS / 9) + 1
"""Cells of the square whose mean is taken away."""

_BORDER: Final = 2
"""Cells at each border that tell nothing of a movement, as their content changes."""

SEEN: Final = (CELLS - 2 * _BORDER) ** 2
"""Number of cells that tell a movement."""

_ROUNDS: Final = 3
"""How often a movement is told, and the picture moved back."""

_FARTHEST: Final = 0.3
"""Share of the sides beyond which no shift is believed."""

_TOGETHER: Final = 0.03
"""Share of the sides within which both ways end at the same place."""

_MOST: Final = np.array((_FARTHEST, _FARTHEST, 20.0, 0.2))
_COMPARED: Final = slice(SIDE // 8, SIDE - SIDE // 8)
"""Rows and columns that are compared with the mean picture, since a shift brings in no others."""

_WINDOW: Final[Gray] = np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Pose:
    """How a part lies beside where good ones lie.

    >>> Pose(shift_x=0.25).moved(np.eye(4, dtype=np.float32), 1.0)[0].round(2).tolist()
    [0.0, 1.0, 0.0, 0.0]

    Attributes:
        shift_x, shift_y: to the right and down, as shares of the sides.
        turn: against the clock, in degrees.
        size: by which it is larger, as a share.
    """

    shift_x: float = 0.0
    shift_y: float = 0.0
    turn: float = 0.0
    size: float = 0.0

    def and_then(self, more: Self) -> Pose:
        """Roughly this movement and another one after it, within what is believed."""
        both = np.array(
            (
                self.shift_x + more.shift_x,
                self.shift_y + more.shift_y,
                self.turn + more.turn,
                (1 + self.size) * (1 + more.size) - 1,
            )
        )
        return Pose(*np.clip(both, -_MOST, _MOST).tolist())

    def moved(self, gray: Gray, aspect: float) -> Gray:
        """A square gray picture whose part is moved so; what lies beyond its border is mirrored in.

        Args:
            gray: levels, float32 or uint8 [n,n].
            aspect: height of the picture over its width, before it became a square.
        """
        return self._warped(gray, aspect, cv2.INTER_LINEAR)

    def moved_back(self, gray: Gray, aspect: float) -> Gray:
        """A square gray picture whose part lies so, as it would be if it lay as good ones do."""
        return self._warped(gray, aspect, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)

    def _warped(self, gray: Gray, aspect: float, flags: int) -> Gray:
        side, larger = len(gray), 1 + self.size
        cos, sin = (larger * of(math.radians(self.turn)) for of in (math.cos, math.sin))
        # The part was turned before its picture was stretched to a square.
        turn = np.array(((cos, sin * aspect), (-sin / aspect, cos)))
        middle = np.full(2, (side - 1) / 2)
        shift = side * np.array((self.shift_x, self.shift_y))
        matrix = np.column_stack((turn, middle + shift - turn @ middle))
        found = cv2.warpAffine(
            gray, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        return found  # type: ignore[return-value]


@dataclass(frozen=True)
class PoseMap:
    """The linear map that tells small movements.

    Attributes:
        weights: W, float32 [SEEN, 4], for the attributes of a `Pose` in their order.
        offset: c, float32 [4].
        aspect: height of the pictures over their width, before they became squares.
    """

    weights: NDArray[np.float32]
    offset: NDArray[np.float32]
    aspect: float

    def told(self, gray: Gray) -> Pose:
        """A small movement, as the map tells it."""
        return Pose(*(standardised(gray) @ self.weights + self.offset).tolist())


@dataclass(frozen=True, slots=True)
class Laid:
    """A picture laid upon the mean one.

    Attributes:
        pose: of its part.
        match: correlation with the mean picture once the part is moved back, -1 to 1.
    """

    pose: Pose
    match: float


def laid_upon(mean: Gray, gray: Gray, poses: PoseMap) -> Laid:
    """Where the part of a picture lies beside that of a mean picture.

    Args:
        mean: of good pictures.
        gray: the picture.
        poses: of the same good pictures.
    """
    near = _refined(mean, gray, poses, Pose())
    shift_x, shift_y = (one / SIDE for one in far_shift(mean, gray))
    apart = max(abs(shift_x - near.pose.shift_x), abs(shift_y - near.pose.shift_y))
    if apart < _TOGETHER or max(abs(shift_x), abs(shift_y)) > _FARTHEST:
        return near
    far = _refined(mean, gray, poses, Pose(shift_x, shift_y))
    return far if far.match > near.match else near


def far_shift(mean: Gray, gray: Gray) -> tuple[float, float]:
    """By how many pixels the content is shifted to the right and down, by phase correlation."""
    # Windowed by hand, since OpenCV would change the pictures that it is given.
    shift, _ = cv2.phaseCorrelate(mean * _WINDOW, gray * _WINDOW)
    return shift[0], shift[1]


def standardised(gray: Gray) -> NDArray[np.float32]:
    """ĝ of a picture, float32 [SEEN]; 0 where it has no contrast."""
    cells = cv2.resize(gray, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    around = cv2.blur(cells, (_AROUND, _AROUND), borderType=cv2.BORDER_REFLECT_101)
    seen = (cells - around)[_BORDER:-_BORDER, _BORDER:-_BORDER].ravel()
    seen = seen - seen.mean()
    found: NDArray[np.float32] = seen / (float(np.linalg.norm(seen)) + 1e-3)
    return found


def correlation(one: Gray, other: Gray) -> float:
    """Correlation of two pictures, -1 to 1; 0 where one of them is as good as even."""
    one, other = one - cv2.mean(one)[0], other - cv2.mean(other)[0]
    norm = cv2.norm(one) * cv2.norm(other)
    return float(np.vdot(one, other)) / norm if norm > one.size else 0.0


def _refined(mean: Gray, gray: Gray, poses: PoseMap, pose: Pose) -> Laid:
    back = pose.moved_back(gray, poses.aspect)
    for _ in range(_ROUNDS):
        pose = pose.and_then(poses.told(back))
        back = pose.moved_back(gray, poses.aspect)
    return Laid(pose, correlation(back[_COMPARED, _COMPARED], mean[_COMPARED, _COMPARED]))
