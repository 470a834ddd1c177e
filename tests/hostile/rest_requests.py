"""Requests of the REST API: tampered pictures, options, forms, and heads that are no HTTP."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.hostile.oip_bodies import HEADER_LENGTH, broken_body
from tests.hostile.pictures import mutant, originals

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over a connection.

    Attributes:
        name: its kind.
        head: request line and headers.
        body: what follows.
        must_answer: whether the head is HTTP, so that an answer must come; else the server may
            close the connection.
    """

    name: str
    head: bytes
    body: bytes = b""
    must_answer: bool = True


def post(path: str, body: bytes, **headers: str) -> bytes:
    """The head of a POST."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def tampered_picture(rng: random.Random, model: str) -> Request:
    """A tampered picture, now and then with a heatmap or as a form."""
    one = mutant(rng)
    path = f"/v1/models/{model}/inspect"
    if rng.random() < 0.15:
        path += "?heatmap=" + rng.choice(("map", "overlay", "raw"))
    if rng.random() < 0.1:
        body = _form(rng, one.data)
        kind = "multipart/form-data; boundary=" + rng.choice(("line", "line", "", "x" * 300))
        return Request(f"form: {one.name}", post(path, body, Content_Type=kind), body)
    return Request(one.name, post(path, one.data, Content_Type="image/jpeg"), one.data)


def _form(rng: random.Random, picture: bytes) -> bytes:
    name = rng.choice(("image", "image", "image", "picture", "", "i" * 5000))
    part = (
        f'--line\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n\r\n'
    ).encode()
    whole = part + picture + b"\r\n"
    kinds = (
        whole + b"--line--\r\n",
        whole,
        whole * 20 + b"--line--\r\n",
        part[: rng.randrange(1, len(part))],
        b"--line\r\n" * 2000,
        b"--line\r\n" + b"X: y\r\n" * 2000 + b"\r\n\r\n--line--\r\n",
        picture,
    )
    return rng.choice(kinds)


def odd_options(rng: random.Random, model: str) -> Request:
    """A good picture with options, paths or headers that are odd."""
    body = rng.choice(list(originals().values()))
    query = rng.choice(
        (
            "heatmap=3d", "threshold=NaN", "threshold=1e999", "timeout_ms=0", "timeout_ms=-1",
            "timeout_ms=3600001", "priority=root", "unknown=1", "heatmap=",
            "heatmap=map&heatmap=raw", "%00=%00", "threshold=%F0%28", "&" * 3000,
            "pixel_threshold=-0", "format=gif&heatmap=map", "threshold=١",
        )
    ).encode()  # fmt: skip
    name = rng.choice((model, model, model, "%2e%2e", "..", "%00", "x" * 2000, "nobody", "%ff"))
    version = rng.choice(("", "", "/versions/1", "/versions/..", "/versions/99999999999999999"))
    path = f"/v1/models/{name}{version}/inspect?".encode() + query
    accept = rng.choice(("*/*", "image/*", "image/png;q=x", "image/avif", "," * 500, "image/*;q=0"))
    head = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\nAccept: %b\r\n\r\n"
    return Request("options", head % (path, HOST.encode(), len(body), accept.encode()), body)


def no_http(rng: random.Random, model: str) -> Request:
    """A head that is none, or that contradicts itself."""
    path = f"/v1/models/{model}/inspect".encode()
    host = b"Host: 127.0.0.1\r\n"
    heads = (
        rng.randbytes(rng.choice((1, 20, 400))) + b"\r\n\r\n",
        b"POST %b HTTP/9.9\r\n%b\r\n" % (path, host),
        b"POST  %b\r\n\r\n" % path,
        b"POST %b HTTP/1.1\r\n%bContent-Length: -1\r\n\r\n" % (path, host),
        b"POST %b HTTP/1.1\r\n%bContent-Length: 1\r\nContent-Length: 2\r\n\r\nab" % (path, host),
        b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (path, host, 1 << 40),
        b"POST %b HTTP/1.1\r\n%bContent-Length: %b\r\n\r\n" % (path, host, b"9" * 40),
        b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\nZZ\r\n" % (path, host),
        b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b" % (path, host, b"F" * 40),
        b"POST %b HTTP/1.1\r\n%bTransfer-Encoding: x\r\nContent-Length: 3\r\n\r\nabc"
        % (path, host),
        b"GET / HTTP/1.1\r\n%b%b\r\n" % (host, b"X: y\r\n" * 3000),
        b"GET / HTTP/1.1\r\n%bX: %b\r\n\r\n" % (host, b"y" * 200_000),
        b"GET /%b HTTP/1.1\r\n%b\r\n" % (b"a" * 100_000, host),
        b"GET /v1/models/%b/stream HTTP/1.1\r\n%bUpgrade: websocket\r\n\r\n" % (b"x", host),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + rng.randbytes(64) + b"\r\n\r\n",
    )
    return Request("no HTTP", rng.choice(heads), must_answer=False)


def oip_request(rng: random.Random, model: str) -> Request:
    """A broken request of the Open Inference Protocol."""
    body = broken_body(rng)
    headers = dict(body.headers)
    length = headers.pop(HEADER_LENGTH, None)
    kinds = {name.replace("-", "_"): value for name, value in headers.items()}
    if length is not None:
        kinds[HEADER_LENGTH.replace("-", "_")] = length
    head = post(f"/v2/models/{model}/infer", body.data, **kinds)
    return Request(f"OIP: {body.name}", head, body.data)
