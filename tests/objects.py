"""An object store for tests: a server on this machine that speaks S3, and one that is silent."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

BUCKET = "lines"


@contextmanager
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a fresh bucket; whoever speaks to it finds it by the usual variables."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        urlopen(Request(f"{endpoint}/moto-api/reset", method="POST"))
        urlopen(Request(f"{endpoint}/{BUCKET}", method="PUT"))
        found_at(monkeypatch, endpoint)
        yield f"s3://{BUCKET}/acme"
    finally:
        server.stop()


@contextmanager
def silent_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket whose server takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found_at(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}")
        yield f"s3://{BUCKET}/acme"


def found_at(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in (
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "tests"),
        ("AWS_SECRET_ACCESS_KEY", "tests"),
    ):
        monkeypatch.setenv(name, value)
