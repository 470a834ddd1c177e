"""What is served, and the entries of what comes, changes or goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from takt.core.domain import Json
from takt.recording.audit.entry import FILE, FOLDER, Change


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """What is served of a version.

    Attributes:
        digest: of the bundle; empty where it cannot be read.
        image: threshold in force of a picture's score; None where it is not known.
        pixel: threshold in force of a map value.
        reason: why the thresholds are others than the bundle's, if somebody said so.
        undecided: whether a picture that cannot be judged is undecided.
    """

    digest: str = ""
    image: float | None = None
    pixel: float | None = None
    reason: str | None = None
    undecided: bool = False

    @property
    def thresholds(self) -> Json:
        """Both thresholds and the switch, as entries have them."""
        return {"image": self.image, "pixel": self.pixel, "undecided": self.undecided}

    def as_json(self) -> Json:
        """The form in which entries have it."""
        return {"digest": self.digest, **self.thresholds}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What is served of a model.

    Attributes:
        active: the version that answers where a request names none; None for none.
        versions: by name.
    """

    active: str | None
    versions: dict[str, ServedVersion]

    def as_json(self) -> Json:
        """The form in which entries have it."""
        versions = {name: version.as_json() for name, version in self.versions.items()}
        return {"active": self.active, "versions": versions}


def key_changes(
    before: dict[str, Json], after: dict[str, Json], reason: str | None = None
) -> Iterator[Change]:
    """The entries of keys that came, went or differ, by their names.

    Args:
        before: what was kept of each key, by its name.
        after: what is kept of each.
        reason: why, if that is known.
    """
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            action = "key_changed"
            if old is None or new is None:
                action = "key_added" if old is None else "key_revoked"
            yield Change(FILE, action, old=old, new=new, reason=reason)


def version_change(
    model: str,
    version: str,
    old: ServedVersion | None,
    new: ServedVersion | None,
    reason: str | None = None,
) -> Change:
    """The entry of a version that came, changed or went.

    Args:
        model: its model.
        version: its name.
        old: as it was; None if it came.
        new: as it is; None if it went.
        reason: why, if that is known.
    """
    action = "version_changed"
    if old is None or new is None:
        action = "version_added" if old is None else "version_removed"
    was, now = (None if one is None else one.as_json() for one in (old, new))
    return Change(FOLDER, action, model, version, was, now, reason)


def activation(
    who: str,
    model: str,
    before: str | None,
    active: str,
    reason: str | None,
    client: str | None = None,
) -> Change:
    """The entry of a version that answers from now on where a request names none."""
    old = None if before is None else {"active": before}
    return Change(
        *(who, "version_activated", model, active, old, {"active": active}, reason),
        client=client,
    )
