"""Where the values of settings come from.

A value comes from the command line, else from `TAKT_<NAME>` in the environment, else from the
TOML file that `--config` or `TAKT_CONFIG` names, else from the default in `settings`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from takt.core.errors import ConfigurationError
from takt.core.plugins import VARIABLES, variables_prefix
from takt.mirroring.location import shown
from takt.settings import ENV_PREFIX, Settings

REPLACED = {
    "stream_origins": "is now named allowed_origins; rename it",
    "provider": "is gone; use engine=cuda, engine=tensorrt or, for the CPU, engine=onnxruntime",
}
"""Old settings, each with what to do instead; an old name is an error."""

OTHERS = frozenset(
    ENV_PREFIX + name
    for name in (
        *("CONFIG", "KEY"),  # the file with settings; the key that clients show
        *("MODELS", "MODELS_READ_ONLY", "MODELS_URL", "USER"),  # of the composition
        *("ANOMALIB", "DATA", "FIXTURES", "SCREENSHOTS", "SITE"),  # of the tests
        *("URL", "GOOD", "BAD", "READING_KEY"),  # of the clients' tests
    )
)
"""Variables of ours that are no settings: they may be there where a server starts."""

_OF_TESTS = f"{ENV_PREFIX}REQUIRE_"
"""What the variables begin with by which tests demand a tool of others."""

_OF_KUBERNETES = re.compile(
    rf"{ENV_PREFIX}(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)"
)
"""What each pod beside a Service has of it, if its name is takt or begins with takt-."""
_LINK = "tcp://"
"""What TAKT_PORT begins with there: TAKT_PORT=tcp://10.0.0.1:8000."""
_NEAR = 0.75

_PASSWORDS = (
    re.compile(r"(://[^:/@]*:).*(?=@)"),
    re.compile(r"([?&][a-z]*pass[a-z]*=)[^&]*", re.IGNORECASE),
)
"""What stands before a password in a URL, and the password."""


class _Environment(EnvSettingsSource):
    """Reads `TAKT_<NAME>`, except what Kubernetes sets in each pod beside a Service named takt."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        is_link = isinstance(value, str) and value.startswith(_LINK)
        return (None if is_link else value), key, is_complex


def load_settings(given: dict[str, Any] | None = None, *, config: Path | None = None) -> Settings:
    """Merge the sources, the first one first: `given`, the environment, the TOML file.

    >>> load_settings({"port": 8080}).port
    8080

    Args:
        given: values from the command line; None means not given.
        config: a TOML file; else the one that `TAKT_CONFIG` names.

    Raises:
        ConfigurationError: an unknown or old name, or a value out of bounds, with its source.
    """
    if config is None and f"{ENV_PREFIX}CONFIG" in os.environ:
        config = Path(os.environ[f"{ENV_PREFIX}CONFIG"])
    values = _from_file(config) if config else {}
    values |= _Environment(Settings)()
    values |= {name: value for name, value in (given or {}).items() if value is not None}
    for old, instead in REPLACED.items():
        if old in values or ENV_PREFIX + old.upper() in os.environ:
            raise ConfigurationError(f"the setting {old} {instead}")
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"setting {name} is {first['input']!r}: {first['msg']}"
            if name in Settings.model_fields
            else f"there is no setting {name!r}; `takt serve --help` lists them"
        ) from None


def unknown_variables(plugins: Iterable[str] = ()) -> list[str]:
    """A warning for each `TAKT_…` in the environment that is no setting and that nobody reads.

    Args:
        plugins: names of those that are on, which read variables of their own.
    """
    settings = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    of_plugins = tuple(map(variables_prefix, plugins))
    return [
        _warning(name, settings | OTHERS)
        for name, value in sorted(os.environ.items())
        if name.upper().startswith(ENV_PREFIX)
        and name.upper() not in settings | OTHERS
        and not value.startswith(_LINK)
        and not name.startswith(_OF_TESTS)
        and not name.upper().startswith(of_plugins)
        and not _OF_KUBERNETES.fullmatch(name)
    ]


def _warning(variable: str, known: Set[str]) -> str:
    """Says what a variable is not, and what it may have been meant for."""
    if variable.upper().startswith(VARIABLES):
        return f"{variable} is of no plugin that is on; the setting plugins names those that are"
    if near := _nearest(variable, known):
        return f"{variable} is no setting; did you mean {near}?"
    return (
        f"{variable} is no setting and changes nothing; `takt serve --help` lists those there are"
    )


def _nearest(variable: str, known: Set[str]) -> str | None:
    """The one that is written nearly so; None if none is."""
    # Without what all have in common, which would make them look alike.
    names = [one.removeprefix(ENV_PREFIX) for one in sorted(known)]
    found = difflib.get_close_matches(variable[len(ENV_PREFIX) :].upper(), names, 1, _NEAR)
    return ENV_PREFIX + found[0] if found else None


def without_secrets(settings: Settings) -> dict[str, Any]:
    """Every setting as it may be kept and shown.

    >>> told = without_secrets(Settings(keys="version = 1", oidc_issuer="https://me:word@issuer"))
    >>> told["keys"], told["oidc_issuer"], told["port"]
    ('***', 'https://me:***@issuer', 8000)
    """
    told = settings.model_dump(mode="json")
    told["keys"] = "***" if settings.keys else ""
    told["repository"] = shown(settings.repository)
    for name, value in told.items():
        if isinstance(value, str):
            for password in _PASSWORDS:
                value = password.sub(r"\1***", value)
            told[name] = value
    return told


def _from_file(path: Path) -> dict[str, Any]:
    # pydantic-settings passes over a file that is missing.
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the settings file {path} cannot be read: {error}") from None
    # Numbers and texts that are none are of ValueError, too.
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the settings file {path} is not TOML: {error}") from None
