"""What models and versions may be called, and the order of versions."""

from __future__ import annotations

import re

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of a model."""

_NUMBER = r"(0|[1-9][0-9]*)"
_WORDS = r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"(?P<release>{_NUMBER}(\.{_NUMBER}){{0,2}})(-(?P<candidate>{_WORDS}))?"
    rf"(\+(?P<build>{_WORDS}))?"
)
_LONGEST = 64

VERSIONS = "a version is a number such as 1, or a semantic version such as 2.0.0 or 2.0.0-rc.1"
"""The rule, for whoever gave another name."""

_Words = tuple[tuple[tuple[int, int, str], ...], ...]
Order = tuple[tuple[int, ...], bool, _Words, _Words, int]


def is_model_name(name: str) -> bool:
    """Whether a model may be called so: letters, digits, '.', '_' and '-', at most 64.

    >>> is_model_name("press-3"), is_model_name("press 3")
    (True, False)
    """
    return re.fullmatch(NAME_PATTERN, name) is not None


def is_version(name: str) -> bool:
    """Whether a version may be called so: one to three numbers, a candidate and a build if any.

    It is the rule of semantic versioning (semver.org), except that the second and third number
    may be left out.

    >>> [name for name in ("1", "2.0", "2.0.0-rc.1", "1.4.0+cam2", "b", "v1", "01", "1.2.3.4", "1.")
    ...  if is_version(name)]
    ['1', '2.0', '2.0.0-rc.1', '1.4.0+cam2']
    """
    return len(name) <= _LONGEST and _VERSION.fullmatch(name) is not None


def version_order(version: str) -> Order:
    """Sort key of a version: its numbers, then candidates before the release itself.

    Numbers within a candidate count as such, and one that was left out is 0. What is no version
    comes before all that are.

    >>> sorted(["10", "2", "2.0.0-rc10", "2.1", "2.0-rc2", "latest"], key=version_order)
    ['latest', '2.0-rc2', '2.0.0-rc10', '2', '2.1', '10']
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return (), False, _words(version), (), 0
    numbers = [int(number) for number in found["release"].split(".")]
    return (
        (*numbers, 0, 0)[:3],
        found["candidate"] is None,
        _words(found["candidate"] or ""),
        _words(found["build"] or ""),
        len(numbers),
    )


def version_after(highest: str) -> str:
    """A version that comes after one.

    >>> [version_after(one) for one in ("9", "1.9", "2.0.0-rc.1", "1.4.0+cam2")]
    ['10', '1.10', '2.0.1', '1.4.1']
    """
    release = re.split(r"[-+]", highest, maxsplit=1)[0]
    before, dot, last = release.rpartition(".")
    return f"{before}{dot}{int(last) + 1}"


def _words(text: str) -> _Words:
    """Sort key of words with dots between; what is a number in a word counts as one."""
    return tuple(
        tuple(
            (0, int(part), "") if part.isdecimal() else (1, 0, part)
            for part in re.findall(r"[0-9]+|[^0-9]+", word)
        )
        for word in text.split(".")
    )
