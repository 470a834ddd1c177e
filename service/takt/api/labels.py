"""What a request's headers say of its part, for the record: `X-Takt-Station` and others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from takt.api.given import QueryIn, validated
from takt.core.domain import NO_LABELS, Labels

_TEXT = r"[^\x00-\x1f\x7f]"
_TAG = r"[^=,\x00-\x20\x7f][^=,\x00-\x1f\x7f]{0,127}=[^,\x00-\x20\x7f][^,\x00-\x1f\x7f]{0,127}"

Label = Annotated[str, Field(min_length=1, max_length=128, pattern=f"^{_TEXT}+$")]
Tags = Annotated[dict[Label, Label], Field(max_length=16)]
TagText = Annotated[str, Field(pattern=f"^{_TAG}(, ?{_TAG}){{0,15}}$")]


def tags_of(text: str) -> tuple[tuple[str, str], ...]:
    """The names and values of a text such as `shift=2,camera=left`; the last one counts.

    Args:
        text: that fits `TagText`.
    """
    pairs = (part.strip(" ").partition("=") for part in text.split(","))
    return tuple({name: value for name, _, value in pairs}.items())


class LabelsIn(QueryIn):
    """What the record is to say of a part, beside the verdict.

    >>> LabelsIn(station="press 3", tags="shift=2").labels.tags
    (('shift', '2'),)
    """

    station: Label | None = Field(None, description="Where the picture was taken; recorded.")
    part: Label | None = Field(None, description="Id of the part, such as its serial number.")
    lot: Label | None = Field(None, description="The lot that the part belongs to; recorded.")
    tags: TagText | None = Field(
        None, description="Anything else to be recorded: names and values, shift=2,camera=left."
    )

    @property
    def labels(self) -> Labels:
        """The labels as the record takes them."""
        if self.station is self.part is self.lot is self.tags is None:
            return NO_LABELS
        tags = tags_of(self.tags) if self.tags else ()
        return Labels(self.station, self.part, self.lot, tags)


_NAMES = {f"x-takt-{name}".encode(): name for name in LabelsIn.model_fields}
"""The fields by the headers that have them."""


def labels_of_headers(headers: Iterable[tuple[bytes, bytes]], first: Labels = NO_LABELS) -> Labels:
    """The labels in a request's headers, which are UTF-8, after those of another place.

    >>> labels_of_headers([(b"x-takt-part", b"A-17"), (b"accept", b"*/*")]).part
    'A-17'

    Raises:
        InvalidParameterError: a label is too long, or not text.
    """
    found = {_NAMES[name]: value.decode().strip() for name, value in headers if name in _NAMES}
    if not found:
        return first
    return merged(first, validated(LabelsIn, found, "a header X-Takt-…").labels)


def merged(first: Labels, second: Labels) -> Labels:
    """Labels of two places; where both say something, the first counts."""
    if first is NO_LABELS or first == NO_LABELS:
        return second
    if second is NO_LABELS or second == NO_LABELS:
        return first
    return Labels(
        first.station or second.station,
        first.part or second.part,
        first.lot or second.lot,
        tuple((dict(second.tags) | dict(first.tags)).items()),
    )
