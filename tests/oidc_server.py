"""A small but real OpenID Connect provider on this machine, for one person at a time."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "commission", "s3cret/&"


@dataclass
class Provider:
    """Who signs in there, and what is to go wrong: `claims` go over those of the token."""

    url: str
    email: str = "a03-mail@example.com"
    claims: dict[str, Any] = field(default_factory=dict)
    now: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def key(self) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": "one"}, private=True)

    def configuration(self) -> dict[str, str]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Somebody has signed in: the address that his browser is sent back to."""
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, str] | None:
        """The word for a code, once; None for whoever cannot prove that it is his."""
        asked = self.codes.pop(form["code"], None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        proved = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
        if asked is None or pair != f"{CLIENT}:s3cret%2F%26":
            return None
        if proved.rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": "1", "iat": self.now, "exp": self.now + 60,
            "nonce": asked["nonce"], "email": self.email, "email_verified": True,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": "one"}
        return {"id_token": jwt.encode(header, claims | self.claims, self.key)}


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that answers on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    made = Provider(f"http://127.0.0.1:{server.server_port}", now=int(time.time()))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                self.send_response(303)
                self.send_header("Location", made.authorize(asked))
                self.end_headers()
                return
            answers: dict[str, Any] = {
                "/.well-known/openid-configuration": made.configuration(),
                "/keys": {"keys": [made.key.as_dict(private=False)]},
            }
            self._say(answers.get(path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(made.token(form, self.headers.get("Authorization", "")))

        def _say(self, answer: Any) -> None:
            self.send_response(400 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer or {"error": "invalid_grant"}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server.RequestHandlerClass = Answers
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def parts(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
