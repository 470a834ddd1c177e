"""Takt's distributions: their version, and the commands that install what they can use."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import re
import shlex
import sys
from types import ModuleType
from typing import Final

from takt.core.errors import ConfigurationError

DISTRIBUTION = "takt-inspection"
EXPORT = "takt-export"
MODELS = "takt-models"
MSA = "takt-msa"
STATION = "takt-station"
CLIENT = "takt-client"
"""Not on PyPI: it is installed from the project's folder."""

COMMAND: Final = (
    sys.executable,
    "-P",
    "-c",
    "from takt.cli import main; main(prog_name='takt')",
)
"""`takt` of this very installation; -P, as the working folder may have a `takt` of its own."""

_MOST_NAMED = 4
"""Most packages of an extra that are named one by one."""

_REQUIREMENT = re.compile(r"(?P<whole>(?P<name>[\w.-]+)[^;]*)(;.*extra == [\"'](?P<extra>\w+))?")


def version() -> str:
    """Version of the installed Takt; `unknown` where it runs without being installed."""
    return package_versions().get("takt", "unknown")


def package_versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of Takt and of those packages that are installed."""
    versions = {"python": platform.python_version()}
    for name in (DISTRIBUTION, *packages):
        if (found := installed_version(name)) is not None:
            versions["takt" if name == DISTRIBUTION else name] = found
    return versions


def installed_version(package: str) -> str | None:
    """Version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def import_installed(module: str, called: str, *wanted: str) -> ModuleType:
    """A module of a package that may be missing.

    Args:
        module: its name.
        called: the package, for people.
        wanted: what brings it, as `install_hint` takes it.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        hint = install_hint(*wanted)
        raise ConfigurationError(f"{called} is not installed: {hint}") from None


def install_hint(*wanted: str, again: bool = False) -> str:
    """The command that installs what is missing, within the ranges that are declared.

    It names the missing packages alone; all of them where none is missing, but something is wrong.
    Of an extra that lacks many, or a distribution of Takt's, it names the extra: pip reads it of
    the Takt that is installed, wherever that came from.

    >>> install_hint("nncf")
    "pip install 'nncf>=2.17'"

    Args:
        wanted: extras; packages by name, or with a range of their own; CLIENT.
        again: reinstalls what is installed already.
    """
    of = {one: _packages(one) for one in wanted}
    packages = {name: word for named in of.values() for name, word in named.items()}
    lacking = {name for name in packages if installed_version(name) is None}
    missing = lacking or set(packages)
    options = ["--force-reinstall"] if again else []
    words: list[str] = []
    for one, named in of.items():
        lacks = lacking & named.keys()
        if (len(lacks) > _MOST_NAMED or EXPORT in lacks) and installed_version(DISTRIBUTION):
            words.append(f"{DISTRIBUTION}[{one}]")
        else:
            words += [word for name, word in named.items() if name in missing]
    words = list(dict.fromkeys(words))
    command = shlex.join(["pip", "install", *options, *words])
    return f"{command} in the project's folder" if CLIENT in missing else command


def _packages(wanted: str) -> dict[str, str]:
    """Packages by name, each as pip takes it: those of an extra, or the one that is named."""
    if wanted == CLIENT:
        return {CLIENT: "./clients/python"}
    of_extra: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for distribution in (DISTRIBUTION, EXPORT, MODELS):
        for line in _requires(distribution):
            one = _match(line)
            by_name[one["name"]] = word = one["whole"].strip()
            # The extra brings the models, and so what they need.
            extra = "train" if distribution == MODELS else one["extra"]
            if extra == wanted and one["name"] != DISTRIBUTION:
                of_extra[one["name"]] = word
    return of_extra or {_match(wanted)["name"]: by_name.get(wanted, wanted)}


def _requires(distribution: str) -> list[str]:
    """What a distribution declares to need; nothing where it is not installed."""
    try:
        return importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _match(requirement: str) -> re.Match[str]:
    match = _REQUIREMENT.match(requirement)
    assert match is not None, requirement
    return match
