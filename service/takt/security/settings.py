"""What may be set of who may ask."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from takt.declaration import under

_access = under("Access")


class AccessSettings(BaseModel):
    """Who may ask."""

    keys_file: Path | None = _access(
        None,
        "File with the keys of callers, which `takt keys` writes and the server reads "
        "again when it changes; whoever sends no key of it gets 401.",
    )
    keys: str = _access("", "The text of such a file, instead of one; for the environment.")
    insecure: bool = _access(
        False, "Listen for other machines without keys: whoever reaches the port may do everything."
    )
    allowed_hosts: str = _access(
        "",
        "Names by which this server may be asked, beside IP addresses, localhost and "
        "the names of its host, such as takt.plant.example,*.cells.example with commas between; * "
        "for any. A request for another name gets 421: a web page could have given it this "
        "server's address.",
    )
    allowed_origins: str = _access(
        "",
        "Web pages that may open streams and send requests that are no mere reading, "
        "beside those of this server, such as https://line3.example with commas between; * for "
        "any.",
    )
    docs: bool = _access(
        True,
        "Whether /docs, /openapi.json and /asyncapi.json describe the API; otherwise they get 404.",
    )
    oidc_issuer: str = _access(
        "",
        "URL of an OpenID Connect issuer: its tokens (JWT) are taken beside keys, "
        "checked by the keys that it publishes. It needs the extra `oidc`.",
    )
    oidc_audience: str = _access(
        "", "Whom its tokens are for, in their claim `aud`; others are refused."
    )
    oidc_scopes: str = _access(
        "",
        "What values of the claims `scope`, `scp`, `roles` and `groups` stand for, "
        "such as plant-lines=inspect,plant-admins=operate; if empty, inspect, operate, read "
        "and review for themselves.",
    )
