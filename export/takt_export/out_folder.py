"""The folder of a new bundle, as `--out` names it."""

from __future__ import annotations

import os
from pathlib import Path

from takt.core.errors import BundleError
from takt.core.naming import VERSIONS, is_model_name, is_version, version_after, version_order

_USUAL_REPOSITORY = "bundles"


def check_folder(out: Path) -> Path:
    """The absolute path of a folder that can become a bundle.

    Raises:
        BundleError: its name is none for a model or version, it exists, or it cannot be written.
    """
    given, out = out, out.resolve()
    if not is_version(out.name):
        raise BundleError(
            f"{out.name!r} is no version of a model: give --out as REPOSITORY/NAME/VERSION, such "
            f"as --out {_meant(given)}; {VERSIONS}"
        )
    if not is_model_name(out.parent.name):
        raise BundleError(
            f"{out.parent.name!r} is no name of a model: give --out as REPOSITORY/NAME/VERSION, "
            "the name with up to 64 letters, digits, '.', '_' and '-'"
        )
    if out.exists():
        free = given.with_name(next_version(out.parent))
        raise BundleError(
            f"{out} exists; versions are never changed, so export to a new one: --out {free}"
        )
    ancestor = next(parent for parent in out.parents if parent.exists())
    if not (ancestor.is_dir() and os.access(ancestor, os.W_OK)):
        raise BundleError(
            f"{out} cannot be made, as {ancestor} is no folder that may be written to; name "
            "another (--out, or --repository of `takt learn`), or run as a user who may"
        )
    return out


def next_version(model: Path) -> str:
    """The version after all that a model's folder has, be they whole or not; 1 for the first."""
    return version_after(taken[-1]) if (taken := versions_in(model)) else "1"


def versions_in(model: Path) -> list[str]:
    """The versions that have a folder, the lowest first; the model need not exist."""
    if not model.is_dir():
        return []
    names = [one.name for one in model.iterdir() if one.is_dir() and is_version(one.name)]
    return sorted(names, key=version_order)


def _meant(out: Path) -> Path:
    """Where somebody wants the bundle who gave no version, as far as that can be told."""
    *folders, name = out.parts or ("",)
    number = name.removeprefix("v")
    if folders and is_version(number) and not out.with_name(number).exists():
        return out.with_name(number)  # bundles/part/v2
    if versions_in(out.parent) or (len(folders) > 1 and not out.is_absolute()):
        return out.with_name(next_version(out.parent))  # bundles/part/final
    if not is_model_name(name):
        return Path(_USUAL_REPOSITORY, "NAME", "1")
    model = out if folders else Path(_USUAL_REPOSITORY, name)  # bundles/part, or part
    return model / next_version(model)
