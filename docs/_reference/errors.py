"""Every code of an error, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from docs._reference.markdown import table
from service.core import errors
from service.core.errors import TaktError

_AGAIN = "Send the request again."

REMEDIES = {
    "bad_request": "Send what the API's document describes; `detail` says what does not fit.",
    "invalid_image": "Send the file as it was written, whole: JPEG, PNG, BMP, WebP or TIFF.",
    "unauthenticated": "Send a key or a token: `Authorization: Bearer …`. `detail` says what is "
    "wrong with the one that came.",
    "forbidden": "Whoever runs the server changes the setting that `detail` names, if it should "
    "be allowed.",
    "insufficient_scope": "Ask with a key that has the scope, or have it added: `takt keys`.",
    "condition_not_found": "Take a name from `GET /v1/status`.",
    "inspection_not_found": "Look it up by `GET /v1/inspections`: it may be older than what is "
    "kept.",
    "learning_not_found": "Take an id from `GET /v1/learning`.",
    "model_not_found": "Take a name and version from `GET /v1/models`.",
    "no_record": "Start the server with a record, `--record sqlite`, or do without.",
    "stream_not_found": "Take an id from `GET /v1/streams`.",
    "slow_request": "Send head and body at once; look at the network.",
    "upload_too_slow": "Send smaller pictures, look at the network, or raise `upload_timeout_s`.",
    "calibration": "Give more pictures, or ask for a larger share of false rejects.",
    "conflict": "Read `detail`: the state of the model or server has to change first.",
    "image_too_large": "Send a smaller picture, or raise `max_image_bytes` or `max_image_pixels`.",
    "unsupported_image": "Send 8 or 16 bits a channel, gray or color, in a format that is served.",
    "misdirected_request": "Ask by the server's address, or name the host in `allowed_hosts`.",
    "invalid_parameter": "Mend the option that `detail` names.",
    "memory_full": "Send it again after `Retry-After`; if it lasts, raise `max_memory_mb` or add "
    "servers.",
    "queue_full": "Send it again after `Retry-After`; if it lasts, ask for less or add servers.",
    "too_many_uploads": "Send it again after `Retry-After`, and fewer at the same time.",
    "headers_too_large": "Send fewer or shorter headers; look for a proxy that adds some.",
    "client_gone": "Nobody reads this; it stands in logs and metrics. Wait longer, or allow less "
    "time with `timeout_ms`.",
    "configuration": "Whoever runs the server changes the setting that `detail` names.",
    "drift": "Take another engine for the model, or export it again on this host: `takt verify` "
    "shows the figures.",
    "engine_failed": _AGAIN + " If it lasts, the server's log has the cause.",
    "internal_error": "Report it, with the log's lines of this `request_id`.",
    "invalid_bundle": "Copy or export the bundle again: `takt verify` says what is wrong with it.",
    "misplaced_bundle": "Move the folder to where `detail` says.",
    "engine_died": _AGAIN + " Another engine takes over.",
    "engine_hung": _AGAIN + " Another engine takes over.",
    "engine_out_of_memory": "Send it again later; remove versions that nobody uses, or give the "
    "server more memory.",
    "not_ready": "Ask again later; `GET /health/ready` says what it waits for.",
    "record_unavailable": "Ask again later; whoever runs the server looks after the database or "
    "disk.",
    "too_many_connections": "Reuse connections and close idle ones, or raise `max_connections`.",
    "unavailable": "Ask again later.",
    "deadline_exceeded": "Allow more time with `timeout_ms`, or add servers.",
    "no_room": "Learn from the pictures that are there.",
}
"""By code: what to do, in general; the `detail` of an answer is more exact."""


def codes() -> str:
    """A row for each code that a caller may read: status, code, meaning, what to do."""
    found = sorted(_kinds(TaktError), key=lambda kind: (kind.status, kind.code))
    if missing := {kind.code for kind in found} ^ REMEDIES.keys():
        raise LookupError(f"REMEDIES of {__name__} is wrong in {sorted(missing)}")
    return table(
        ("status", "code", "what it means", "what to do"),
        (
            (
                f"{kind.status}",
                f"`{kind.code}`",
                (kind.__doc__ or "").partition("\n")[0],
                REMEDIES[kind.code],
            )
            for kind in found
        ),
    )


def _kinds(kind: type[TaktError]) -> Iterator[type[TaktError]]:
    """The class and those below it, without those of other houses."""
    yield kind
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from _kinds(one)
