"""Whether the host's clock can be believed, as what is removed for its age is removed on its word.

A clock that is a day off costs a day's pictures; one that is a year off costs all of them. So it
is held against one that only counts, and after a stop against the last moment that was believed,
which a small file beside the record keeps. A clock that is doubted is asked about: whoever knows
says `takt records clock --right`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from takt.core.bundles.files import make_private, write_atomically
from takt.recording.audit.chain import append, tell_stored
from takt.recording.audit.entry import Change
from takt.recording.record import Record

FILE: Final = "clock.json"

DAY_S: Final = 86_400.0

MOST_OFF_S: Final = DAY_S
"""So far a clock may be from where it should be by the other one."""

LONGEST_STOP_S: Final = 14 * DAY_S
"""A server that stood still for longer asks, as its clock may have been set wrongly meanwhile."""

logger = logging.getLogger("takt.record")


def elapsed_s() -> float:
    """Seconds that nobody can set; they go on while the machine sleeps, where the system has such.

    >>> elapsed_s() <= elapsed_s()
    True
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@dataclass(frozen=True, slots=True)
class Believed:
    """A moment at which the clock was believed.

    Attributes:
        unix_s: what it said.
        elapsed_s: what the clock that only counts said.
    """

    unix_s: float
    elapsed_s: float


class RecordClock:
    """The clock by which a record's pictures and rows grow old; used by one thread.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clock = RecordClock(Path(folder), unix_clock=lambda: 1e9, elapsed=lambda: 5.0)
    ...     clock.doubt(None)

    Args:
        folder: of the record, in which the file lies.
        unix_clock: gives Unix time in seconds.
        elapsed: gives seconds that nobody can set.
    """

    def __init__(
        self,
        folder: Path,
        unix_clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed_s,
    ) -> None:
        self._folder = folder
        self._unix_clock = unix_clock
        self._elapsed = elapsed
        self._believed: Believed | None = None
        # What the file said when it was read or written last.
        self._kept_s: float | None = None
        self._doubted = False
        self._told_of_file = False

    def doubt(self, newest_us: int | None) -> str | None:
        """Why the clock is not to be believed now; None where it is.

        Args:
            newest_us: the time of the newest inspection that the record had at the start, in µs of
                Unix time; None if it had none. It counts where no moment is known at which the
                clock was believed.
        """
        now_s, elapsed_s = self._unix_clock(), self._elapsed()
        doubt = self._why(now_s, elapsed_s, newest_us)
        if doubt is None:
            self._believed = self._believed or Believed(now_s, elapsed_s)
            self._keep(now_s)
        self._tell(doubt)
        return doubt

    def _why(self, now_s: float, elapsed_s: float, newest_us: int | None) -> str | None:
        if self._believed is not None:
            off_s = (now_s - self._believed.unix_s) - (elapsed_s - self._believed.elapsed_s)
            if abs(off_s) <= MOST_OFF_S:
                return None
            if (said_s := believed_at(self._folder)) in (self._kept_s, None):
                way = "ahead" if off_s > 0 else "back"
                return f"the host's clock went {way} by {_days(off_s)}, to {_date(now_s)}"
            # Somebody has said that it is right.
            self._believed = None
        else:
            said_s = believed_at(self._folder)
            if said_s is None and self._kept_s is None and newest_us is not None:
                said_s = newest_us / 1e6
                # A doubt outlasts the process, and what is recorded meanwhile proves nothing.
                self._keep(said_s)
            said_s = said_s or self._kept_s
        if said_s is None or -MOST_OFF_S <= now_s - said_s <= LONGEST_STOP_S:
            return None
        way = "after" if now_s > said_s else "before"
        return (
            f"the host's clock says {_date(now_s)}, {_days(now_s - said_s)} {way} the last moment "
            "of which the record knows"
        )

    def _tell(self, doubt: str | None) -> None:
        if doubt is not None and not self._doubted:
            logger.warning(
                "%s: nothing is removed from the record for its age until the clock is right, or "
                "somebody says with `takt records clock --right` that it is",
                doubt,
            )
        elif doubt is None and self._doubted:
            now = _date(self._unix_clock())
            logger.warning("the host's clock is believed again; it says %s", now)
        self._doubted = doubt is not None

    def _keep(self, now_s: float) -> None:
        self._kept_s = round(now_s * 1e6) / 1e6
        try:
            keep_believed(self._folder, now_s)
        except OSError as error:
            # The doubt of the next start then rests on an older moment.
            if not self._told_of_file:
                logger.warning("%s cannot be written: %s", self._folder / FILE, error)
            self._told_of_file = True


def keep_believed(folder: Path, unix_s: float) -> None:
    """Keep a moment at which the clock was right.

    Args:
        folder: of the record.
        unix_s: the moment.

    Raises:
        OSError: the folder or the disk does not take it.
    """
    make_private(folder)
    text = json.dumps({"believed_at_us": round(unix_s * 1e6)})
    write_atomically(folder / FILE, text.encode("ascii"), 0o600)


def believed_at(folder: Path) -> float | None:
    """When the clock was believed last, in seconds of Unix time; None if that is not known."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return float(json.loads((folder / FILE).read_bytes())["believed_at_us"]) / 1e6
    return None


def said_to_be_right(record: Record, unix_s: float, who: str) -> None:
    """Have servers believe the clock, as somebody says; the audit log has that.

    Args:
        record: that they keep.
        unix_s: what the clock says.
        who: name of who says so.

    Raises:
        RecordError: the database does not answer; nothing has changed.
        OSError: the folder or the disk does not take it.
    """
    before_s = believed_at(record.folder)
    old = None if before_s is None else {"believed_at": _date(before_s)}
    change = Change(who, "clock_confirmed", old=old, new={"clock": _date(unix_s)})
    with record.database.writing(durable=True) as connection:
        (entry,) = append(connection, change)
        keep_believed(record.folder, unix_s)
    tell_stored(record.database, entry)


def _days(seconds: float) -> str:
    return f"{abs(seconds) / DAY_S:,.0f} days"


def _date(unix_s: float) -> str:
    try:
        return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{unix_s:.0f} s of Unix time"
