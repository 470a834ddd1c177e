"""Programs and packages of others that judge what is deployed, from `make deploy-tools`."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

_REQUIRED = "TAKT_REQUIRE_DEPLOY_TOOLS"


def package(name: str) -> ModuleType:
    """A package; the test is skipped, or fails, where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        _missing(name)


def program(name: str) -> str:
    """Path of a program, which may be beside this Python; otherwise likewise."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return shutil.which(name, path=places) or _missing(name)


def _missing(name: str) -> NoReturn:
    tell = pytest.fail if os.environ.get(_REQUIRED) else pytest.skip
    tell(f"{name} is not installed: `make deploy-tools` (with {_REQUIRED}=1 this fails instead)")
