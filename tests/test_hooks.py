"""Hooks: real commands and a real server on the loopback are told what became of a run."""

import hmac
import json
import shlex
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from program import EARNINGS, PLAN, Program, program_in, shop

from commission_engine import hooks
from commission_engine.settings import read_settings

PAYLOAD = {"id": "i1", "event": "completed", "programme": "Käse"}
QUICK = (0.0, 0.0)


class Server:
    """Answers with the codes that it is given, in turn (0: not at all), and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.got.append((dict(self.headers), body))
                answer = server.answers.pop(0) if server.answers else 204
                if answer:
                    self.send_response(answer)
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook?of=commission"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def commission(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    monkeypatch.setattr(hooks, "PAUSES", QUICK)
    return program_in(tmp_path, sqlite_url, monkeypatch, capsys)


def script(folder: Path, text: str) -> list[str]:
    """A command: this Python with a script."""
    path = folder / "hook.py"
    path.write_text(text, "utf-8")
    return [sys.executable, "-S", "-E", str(path)]


# -- a URL


def test_a_url_gets_the_payload_and_a_signature_of_its_bytes(server: Server) -> None:
    assert hooks.call(server.url, PAYLOAD, "secret") == hooks.Outcome("", 1)
    ((headers, body),) = server.got
    assert json.loads(body) == PAYLOAD
    signed = hmac.new(b"secret", body, sha256).hexdigest()
    assert headers["X-Commission-Signature"] == f"sha256={signed}"
    assert (headers["X-Commission-Id"], headers["Content-Type"]) == ("i1", "application/json")


def test_without_a_secret_nothing_is_signed(server: Server) -> None:
    hooks.call(server.url, PAYLOAD)
    ((headers, _),) = server.got
    assert "X-Commission-Signature" not in headers


@pytest.mark.parametrize(
    ("answers", "fault", "tries"),
    [
        ([200], "", 1),
        ([503, 204], "", 2),
        ([500, 429, 200], "", 3),
        ([500, 502, 503, 200], "it answered 503", 3),
        ([404], "it answered 404", 1),  # the next try would be answered with the same
        ([307], "it answered 307", 1),  # nobody is sent elsewhere
        ([0, 200], "", 2),  # it hung up without an answer
    ],
)
def test_what_may_pass_is_tried_again(
    server: Server, answers: list[int], fault: str, tries: int
) -> None:
    server.answers = answers
    assert hooks.call(server.url, PAYLOAD, pauses=QUICK) == hooks.Outcome(fault, tries)
    assert [body for _, body in server.got] == [hooks.encoded(PAYLOAD)] * tries


def test_nobody_is_there(server: Server) -> None:
    url = server.url
    server.http.socket.close()
    outcome = hooks.call(url.replace(str(server.http.server_port), "1"), PAYLOAD, pauses=QUICK)
    assert outcome == hooks.Outcome("it cannot be reached: Connection refused", 3)


def test_a_server_that_says_nothing_is_given_up(server: Server) -> None:
    wait = threading.Event()
    handle, server.http.finish_request = server.http.finish_request, lambda *_: wait.wait(20)  # type: ignore[method-assign,assignment]
    outcome = hooks.call(server.url, PAYLOAD, timeout=0.1, pauses=())
    wait.set()
    server.http.finish_request = handle  # type: ignore[method-assign]
    assert outcome == hooks.Outcome("it took longer than 0.1 seconds", 1)


# -- a command


def test_a_command_reads_the_payload_without_a_shell(tmp_path: Path) -> None:
    words = script(
        tmp_path,
        "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read()); print('loud')",
    )
    target = tmp_path / "told; touch oops"
    assert hooks.call([*words, str(target)], PAYLOAD) == hooks.Outcome("", 1)
    assert json.loads(target.read_text("utf-8")) == PAYLOAD
    assert not (tmp_path / "oops").exists()
    target.unlink()
    hooks.call(shlex.join([*words, str(target)]), PAYLOAD)
    assert json.loads(target.read_text("utf-8")) == PAYLOAD


@pytest.mark.parametrize(
    ("command", "fault", "tries"),
    [
        ("false", "it ended with 1", 3),
        ("no-such-command --at-all", "no-such-command: No such file or directory", 1),
        ("sleep 20", "it took longer than 0.05 seconds", 3),
        ("true", "", 1),  # it need not read
    ],
)
def test_a_command_that_fails(command: str, fault: str, tries: int) -> None:
    outcome = hooks.call(command, PAYLOAD, timeout=0.05, pauses=QUICK)
    assert outcome == hooks.Outcome(fault, tries)


# -- settings


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", ""),
        ("./tell --ops", ""),
        (["./tell", "--ops"], ""),
        ("https://example.com/hook?a=b", ""),
        ("ftp://example.com/hook", "ftp:// is none of http, https"),
        ("http:///hook", "'http:///hook' names no host"),
        ("  ", "'  ' is not a command"),
        ("tell 'ops", '"tell \'ops" is not a command: No closing quotation'),
        ([], '[] is not a list of words, such as ["./tell", "ops"]'),
        (["tell", 1], '[\'tell\', 1] is not a list of words, such as ["./tell", "ops"]'),
        (7, "7 is neither a command nor a URL"),
    ],
)
def test_what_a_hook_may_be(value: Any, said: str) -> None:
    assert hooks.fault(value) == said


def test_the_secret_is_no_setting_and_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({}, {hooks.SECRET: "x"}).faults == ()


# -- a run


def told(server: Server) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in server.got]


def test_a_completed_run_is_told_and_told_again_with_the_same_id(
    commission: Program, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_HOOKS_COMPLETED", server.url)
    monkeypatch.setenv("COMMISSION_HOOKS_SECRET", "s3")
    assert commission("run", shop(tmp_path / "in"), "--date", "2026-02-28").code == 0
    manifest = (tmp_path / "out/2026-02-28/manifest.json").read_bytes()
    (payload,) = told(server)
    assert payload["counts"] == json.loads(manifest)["counts"]
    assert payload["totals"] == json.loads(manifest)["totals"]
    assert payload["manifest_sha256"] == sha256(manifest).hexdigest()
    assert (payload["event"], payload["programme"], payload["run_date"], payload["message"]) == (
        "completed", "acme", "2026-02-28", "acme, 2026-02-28: 4 events, 5 lines",
    )  # fmt: skip
    ((headers, body),) = server.got
    assert headers["X-Commission-Signature"] == hooks.signature("s3", body)
    # Killed between the commit and the hook, the run is told when it is given again.
    assert commission("run", "--date", "2026-02-28").code == 0
    assert told(server) == [payload, payload]


def test_a_failed_run_is_told_why_without_a_word_about_a_person(
    commission: Program, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_HOOKS_FAILED", server.url)
    folder = shop(tmp_path / "in", EARNINGS + "e9,anna@example.com,2026-01-05,1.005,USD,\n")
    done = commission("run", folder, "--date", "2026-02-28", "--strict")
    assert done.code == 3
    assert "e9" in done.err or "1.005" in done.err  # people at the terminal are told all of it
    (payload,) = told(server)
    assert (payload["event"], payload["error"], payload["exit_code"], payload["attempt"]) == (
        "failed", "RowsRefused", 3, 1,
    )  # fmt: skip
    assert payload["message"] == "RowsRefused; commission runs --attempts says why"
    commission("run", folder, "--date", "2026-02-28", "--strict")
    first, second = told(server)
    assert (second["attempt"], second["id"] != first["id"]) == (2, True)


def test_what_never_began_is_no_failed_run(
    commission: Program, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_HOOKS_FAILED", server.url)
    assert commission("run", "--date", "9999-01-01").code == 2
    assert commission("run", "no-such-folder", "--date", "2026-01-01").code == 2
    assert told(server) == []


def test_a_run_that_holds_payouts_back_is_told(
    commission: Program, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_HOOKS_HELD", server.url)
    monkeypatch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=50.00")
    assert commission("run", shop(tmp_path / "in"), "--date", "2026-02-28").code == 0
    (payload,) = told(server)
    assert (payload["event"], payload["holds"]) == ("held", 1)
    assert payload["message"] == "acme, 2026-02-28: 1 hold to look at: commission holds"
    assert "ann" not in json.dumps(payload)


def test_a_hook_that_fails_changes_nothing(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_HOOKS_COMPLETED", "false")
    done = commission("run", shop(tmp_path / "in", plan=PLAN), "--date", "2026-02-28")
    assert done.code == 0
    assert "warning: hook completed, after 3 tries: it ended with 1\n" in done.err
    assert commission("verify").code == 0


def test_the_signature_is_checked_as_the_page_says() -> None:
    page = (Path(__file__).parent.parent / "docs" / "watching.md").read_text("utf-8")
    (code,) = (part.split("```")[0] for part in page.split("```python\n")[1:])
    names: dict[str, Any] = {}
    exec(code, names)
    body = hooks.encoded(PAYLOAD)
    assert names["is_ours"]("s3", body, hooks.signature("s3", body))
    assert not names["is_ours"]("s4", body, hooks.signature("s3", body))
    assert not names["is_ours"]("s3", body + b" ", hooks.signature("s3", body))
