"""Response headers that tell a browser to trust an answer with as little as possible."""

from __future__ import annotations

import base64
import hashlib
import re

Headers = tuple[tuple[bytes, bytes], ...]

_EVERYWHERE: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

ANSWER_HEADERS: Headers = (
    *_EVERYWHERE,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # A verdict, a threshold or a readiness of a while ago is none.
    (b"cache-control", b"no-store"),
)
"""Of every answer that is data: a browser that shows one as a page runs and loads nothing."""

SHARED_HEADERS: Headers = tuple(
    (name, b"cross-origin" if name == b"cross-origin-resource-policy" else value)
    for name, value in ANSWER_HEADERS
)
"""Of an answer to a page of another host that may ask: its browser must not hide it as failed."""

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def page_headers(html: str = "") -> Headers:
    """Headers of a page and of the files that it loads, all from this server.

    Of the scripts in the page itself exactly these run, by their hashes. Pictures and videos may
    also be those that the page holds itself, such as a file that was dropped on it.

    >>> dict(page_headers("<script>x()</script>"))[b"content-security-policy"].split(b"; ")[1]
    b"script-src 'self' 'sha256-D6IGS8VMvCoyaR/l0h9tERrBTATY01CoPS7l6xDv0kI='"
    """
    hashes = "".join(f" 'sha256-{_digest(script)}'" for script in _INLINE_SCRIPT.findall(html))
    policy = (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self'; "
        "img-src 'self' data: blob:; media-src blob:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return (*_EVERYWHERE, (b"content-security-policy", policy.encode()))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
