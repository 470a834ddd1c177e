"""An issuer of tokens on a loopback port."""

from __future__ import annotations

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "takt"


class FakeIssuer:
    """Serves its documents, and signs tokens; `with FakeIssuer() as issuer:`.

    Attributes:
        url: its name.
        documents: by path; a number is a status to answer with.
        asked: the paths that were asked for.
        open: while it is not set, nobody is answered.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self._keys: dict[str, Any] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.open.wait(60)
                found = outer.documents.get(self.path, 404)
                body = found if isinstance(found, bytes) else orjson.dumps(found)
                self.send_response(found if isinstance(found, int) else 200)
                if found == 302:
                    self.send_header("Location", outer.url + "/keys")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.documents: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.discovery = "/realms/line/.well-known/openid-configuration"
        self._be_at("http")
        self.rotate("first")

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Answer over TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._be_at("https")

    def _be_at(self, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/realms/line"
        self.documents[self.discovery] = {"issuer": self.url, "jwks_uri": self.url + "/keys"}

    def rotate(self, *names: str, kind: str = "EC") -> None:
        """Publish these keys and no others; those that are new are made."""
        for name in names:
            if name not in self._keys:
                self._keys[name] = (
                    ec.generate_private_key(ec.SECP256R1())
                    if kind == "EC"
                    else rsa.generate_private_key(65537, 2048)
                )
        self.documents["/realms/line/keys"] = {"keys": [self.described(one) for one in names]}

    def described(self, name: str) -> dict[str, Any]:
        """A public key, as it is published."""
        key = self._keys[name]
        algorithm = jwt.get_algorithm_by_name(_algorithm_of(key))
        found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
        return {**found, "kid": name, "use": "sig"}

    def token(self, key: str = "first", algorithm: str | None = None, **claims: object) -> bytes:
        """A token of now; a claim that is None is left out."""
        now_s = int(time.time())
        ours = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "robot-3",
            "iat": now_s,
            "exp": now_s + 300,
            "scope": "inspect",
        }
        given = {name: value for name, value in (ours | claims).items() if value is not None}
        private = self._keys[key]
        algorithm = algorithm or _algorithm_of(private)
        return jwt.encode(given, private, algorithm, headers={"kid": key}).encode()

    def signed(self, claims: bytes, key: str = "first") -> bytes:
        """A token whose claims are any bytes."""
        private = self._keys[key]
        algorithm = _algorithm_of(private)
        return jwt.PyJWS().encode(claims, private, algorithm, headers={"kid": key}).encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _algorithm_of(key: object) -> str:
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
