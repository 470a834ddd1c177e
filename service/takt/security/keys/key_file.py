"""The text in which keys are kept: TOML with digests, in a file or in the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from takt.core.errors import ConfigurationError
from takt.core.problem import validation_message
from takt.security.caller import Scope
from takt.security.keys.key import NAME, Key

MOST_KEYS = 1000
"""Most keys of a server: an unknown key is compared with each of them."""

_HEAD = "# Keys of Takt, as digests; written by `takt keys`.\nversion = 1\n"
_ALGORITHM = "sha256:"


class _KeyIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    digest: str = Field(pattern=rf"^{_ALGORITHM}[0-9a-f]{{64}}$")
    scopes: list[Scope] = Field(min_length=1)
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None


class _KeysIn(BaseModel):
    """The version makes an empty or cut file a damaged one, and no file without keys."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=1, le=1)  # Literal[1] would take true for it
    keys: dict[Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")], _KeyIn] = Field(
        {}, max_length=MOST_KEYS
    )


def parse_keys(text: bytes) -> tuple[Key, ...]:
    r"""Read keys.

    >>> parse_keys(b"version = 1")
    ()
    >>> parse_keys(b"")
    Traceback (most recent call last):
    takt.core.errors.ConfigurationError: the keys are damaged: version: Field required

    Raises:
        ConfigurationError: the text is damaged, or has a key twice.
    """
    try:
        found = _KeysIn.model_validate(tomllib.loads(text.decode()))
    except ValidationError as error:
        message = validation_message(error, "the text")
        raise ConfigurationError(f"the keys are damaged: {message}") from None
    # Numbers and texts that are none are of ValueError, too.
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the keys are no TOML: {error}") from None
    keys = tuple(
        Key(
            name,
            bytes.fromhex(one.digest.removeprefix(_ALGORITHM)),
            frozenset(one.scopes),
            one.created,
            one.expires,
        )
        for name, one in found.keys.items()
    )
    if len({key.digest for key in keys}) < len(keys):
        raise ConfigurationError("the keys are damaged: two names have the same digest")
    return keys


def format_keys(keys: Iterable[Key]) -> bytes:
    """Write keys, so that `parse_keys` reads the same."""
    parts = [_HEAD]
    for key in keys:
        scopes = ", ".join(f'"{scope}"' for scope in sorted(key.scopes))
        parts.append(f"\n[keys.{key.name}]\nscopes = [{scopes}]\n")
        for name, value in (("created", key.created), ("expires", key.expires)):
            if value is not None:
                parts.append(f"{name} = {value.isoformat()}\n")
        # Last, so that a file that was cut has no key without its end.
        parts.append(f'digest = "{_ALGORITHM}{key.digest.hex()}"\n')
    return "".join(parts).encode()
