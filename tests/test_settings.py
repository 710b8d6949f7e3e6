"""Settings: which source holds, and what is said of those that cannot be."""

from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from commission_engine.calendar import day_of
from commission_engine.problems import UsageError
from commission_engine.settings import NAMES, Setting, read_settings
from commission_engine.timetable import Timetable

PORTAL = {
    "url": "https://partners.example.com",
    "session_hours": 8,
    "idle_minutes": 20,
    "link_minutes": 5,
    "token_days": 30,
    "smtp_host": "mail.example.com",
    "smtp_port": 465,
    "smtp_user": "portal",
    "smtp_security": "tls",
    "mail_from": "partners@example.com",
    "oidc_issuer": "https://id.example.com",
    "oidc_client_id": "commission",
    "oidc_name": "Acme",
}
NO_PORTAL = {
    f"portal.{name}": Setting(value, "default")
    for name, value in {
        **dict.fromkeys(PORTAL, ""),
        "session_hours": 12,
        "idle_minutes": 30,
        "link_minutes": 15,
        "token_days": 90,
        "smtp_port": 587,
        "smtp_security": "starttls",
        "oidc_name": "single sign-on",
    }.items()
}
PORTAL_OF_THE_ENVIRONMENT = {
    f"portal.{name}": Setting(value, f"COMMISSION_PORTAL_{name.upper()}")
    for name, value in PORTAL.items()
}
NO_BANK = {
    "bank.name": Setting("", "default"),
    "bank.iban": Setting("", "default"),
    "bank.bic": Setting("", "default"),
    "bank.street_name": Setting("", "default"),
    "bank.building_number": Setting("", "default"),
    "bank.postcode": Setting("", "default"),
    "bank.town": Setting("", "default"),
    "bank.country": Setting("", "default"),
    "bank.ach_routing": Setting("", "default"),
    "bank.ach_bank": Setting("", "default"),
    "bank.ach_origin": Setting("", "default"),
    "bank.ach_company_id": Setting("", "default"),
    "bank.ach_description": Setting("COMMISSION", "default"),
    "bank.cool_off_days": Setting(3, "default"),
    "bank.shared_accounts": Setting("refuse", "default"),
    "bank.templates": Setting("config/payment_templates", "default"),
}
BANK = {
    "name": "Acme GmbH",
    "iban": "DE75512108001245126199",
    "bic": "COBADEFFXXX",
    "street_name": "Hauptstrasse",
    "building_number": "5",
    "postcode": "10115",
    "town": "Berlin",
    "country": "DE",
    "ach_routing": "021000021",
    "ach_bank": "A Bank",
    "ach_origin": "1234567890",
    "ach_company_id": "1234567890",
    "ach_description": "PAYOUT",
    "cool_off_days": 5,
    "shared_accounts": "pay",
    "templates": "forms",
}
NO_LETTERHEAD = {
    "statements.name": Setting("", "default"),
    "statements.address": Setting("", "default"),
    "statements.contact": Setting("", "default"),
    "statements.logo": Setting("", "default"),
    "statements.colour": Setting("#1f4e79", "default"),
    "statements.language": Setting("en", "default"),
}
LETTERHEAD = {
    "name": "Acme Partners",
    "address": "1 High Street\nLondon",
    "contact": "partners@example.com",
    "logo": "acme.SVG",
    "colour": "#000000",
    "language": "ru",
}
ENVIRONMENT = {
    "COMMISSION_DATABASE": "sqlite:///environment.db",
    "COMMISSION_OUT": "environment-out",
    "COMMISSION_SOURCES": "environment.toml",
    "COMMISSION_DOCUMENTS": "all",
    "COMMISSION_FORMATS": "csv, csv",
    "COMMISSION_LINES_STORE": "environment-lines",
    "COMMISSION_BOUNDS_RUN_TIMES_MEDIAN": "2.5",
    "COMMISSION_BOUNDS_MEDIAN_OF": "9",
    "COMMISSION_BOUNDS_MEDIAN_AFTER": "8",
    "COMMISSION_BOUNDS_PAYOUT": "USD=10.00, JPY=5",
    "COMMISSION_BOUNDS_LINES_PER_BENEFICIARY": "7",
    "COMMISSION_PAYOUTS_APPROVAL": "two-person",
    "COMMISSION_BANK_ACCOUNTS": "DE02120300000000202051, 1234567890",
    "COMMISSION_ENTITY_NAME": "Acme Ltd",
    "COMMISSION_ENTITY_ADDRESS": "1 High Street",
    "COMMISSION_ENTITY_VAT_ID": "GB123",
    "COMMISSION_ENTITY_PREFIX": "AC/",
    "COMMISSION_TAX_REQUIRE_DOCUMENT": "US, *",
    "COMMISSION_LOG_FORMAT": "json",
    "COMMISSION_LOG_FILE": "runs.log",
    "COMMISSION_METRICS_TEXTFILE": "commission.prom",
    "COMMISSION_HOOKS_COMPLETED": "./tell --ops",
    "COMMISSION_HOOKS_FAILED": "https://example.com/failed",
    "COMMISSION_HOOKS_HELD": "./held",
    "COMMISSION_HOOKS_SECRET": "no setting, and no fault",
    "COMMISSION_SMTP_PASSWORD": "no setting, and no fault",
    "COMMISSION_OIDC_SECRET": "no setting, and no fault",
    **{f"COMMISSION_PORTAL_{name.upper()}": str(value) for name, value in PORTAL.items()},
    "COMMISSION_SCHEDULE_AT": "23:59",
    "COMMISSION_SCHEDULE_ZONE": "Asia/Tokyo",
    "COMMISSION_SCHEDULE_INPUT": "in",
    "COMMISSION_SCHEDULE_FIRST": "2026-11-20",
    "COMMISSION_SCHEDULE_MOST_DAYS": "7",
    "COMMISSION_SCHEDULE_VERIFY": "false",
    "COMMISSION_SCHEDULE_LOOK_SECONDS": "5",
    **{f"COMMISSION_BANK_{name.upper()}": str(value) for name, value in BANK.items()},
    "COMMISSION_BANK_KEY": "no setting, and no fault",
    **{f"COMMISSION_STATEMENTS_{name.upper()}": value for name, value in LETTERHEAD.items()},
    "COMMISSION_STATEMENTS_KEY": "no setting, and no fault",
    "HOME": "/somewhere",
}
FILE = """\
database = "sqlite:///file.db"
out = "file-out"
documents = "none"
formats = ["csv", "csv", "csv"]
[lines]
store = "file-lines"
"""
NO_BOUNDS = {
    "bounds.run_times_median": Setting("off", "default"),
    "bounds.median_of": Setting(30, "default"),
    "bounds.median_after": Setting(7, "default"),
    "bounds.payout": Setting("off", "default"),
    "bounds.lines_per_beneficiary": Setting("off", "default"),
}
NOT_WATCHED = {
    "log.format": Setting("text", "default"),
    "log.file": Setting("", "default"),
    "metrics.textfile": Setting("", "default"),
    "hooks.completed": Setting("", "default"),
    "hooks.failed": Setting("", "default"),
    "hooks.held": Setting("", "default"),
}
ONE_PERSON = {"payouts.approval": Setting("one-person", "default")}
TWO_PERSON = {"payouts.approval": Setting("two-person", "COMMISSION_PAYOUTS_APPROVAL")}
ANY_ACCOUNT = {"bank.accounts": Setting([], "default")}
OWN_ACCOUNTS = {
    "bank.accounts": Setting(["DE02120300000000202051", "1234567890"], "COMMISSION_BANK_ACCOUNTS")
}
NO_TAX = {
    "entity.name": Setting("", "default"),
    "entity.address": Setting("", "default"),
    "entity.vat_id": Setting("", "default"),
    "entity.prefix": Setting("SB-", "default"),
    "tax.require_document": Setting([], "default"),
}
TAX_OF_THE_ENVIRONMENT = {
    name: Setting(value, f"COMMISSION_{name.upper().replace('.', '_')}")
    for name, value in {
        "entity.name": "Acme Ltd",
        "entity.address": "1 High Street",
        "entity.vat_id": "GB123",
        "entity.prefix": "AC/",
        "tax.require_document": ["US", "*"],
    }.items()
}
NO_SCHEDULE = {
    "schedule.at": Setting("02:30", "default"),
    "schedule.zone": Setting("plan", "default"),
    "schedule.input": Setting("", "default"),
    "schedule.first": Setting("", "default"),
    "schedule.most_days": Setting(31, "default"),
    "schedule.verify": Setting(True, "default"),
    "schedule.look_seconds": Setting(60, "default"),
}
BANK_OF_THE_ENVIRONMENT = {
    f"bank.{name}": Setting(value, f"COMMISSION_BANK_{name.upper()}")
    for name, value in BANK.items()
}
LETTERHEAD_OF_THE_ENVIRONMENT = {
    f"statements.{name}": Setting(value, f"COMMISSION_STATEMENTS_{name.upper()}")
    for name, value in LETTERHEAD.items()
}
WATCHED_BY_THE_ENVIRONMENT = {
    name: Setting(value, f"COMMISSION_{name.upper().replace('.', '_')}")
    for name, value in {
        "log.format": "json",
        "log.file": "runs.log",
        "metrics.textfile": "commission.prom",
        "hooks.completed": "./tell --ops",
        "hooks.failed": "https://example.com/failed",
        "hooks.held": "./held",
    }.items()
}
SCHEDULE_OF_THE_ENVIRONMENT = {
    name: Setting(value, f"COMMISSION_{name.upper().replace('.', '_')}")
    for name, value in {
        "schedule.at": "23:59",
        "schedule.zone": "Asia/Tokyo",
        "schedule.input": "in",
        "schedule.first": "2026-11-20",
        "schedule.most_days": 7,
        "schedule.verify": False,
        "schedule.look_seconds": 5,
    }.items()
}
BOUNDS_OF_THE_ENVIRONMENT = {
    name: Setting(value, f"COMMISSION_BOUNDS_{name.removeprefix('bounds.').upper()}")
    for name, value in {
        "bounds.run_times_median": "2.5",
        "bounds.median_of": 9,
        "bounds.median_after": 8,
        "bounds.payout": {"USD": "10.00", "JPY": "5"},
        "bounds.lines_per_beneficiary": 7,
    }.items()
}
OPTIONS = {
    "database": "sqlite:///option.db",
    "out": "option-out",
    "documents": None,
    "lines_store": "option-lines",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, without a configuration file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(text: str | bytes) -> None:
    folder = Path("config")
    folder.mkdir()
    content = text.encode() if isinstance(text, str) else text
    (folder / "engine.toml").write_bytes(content)


def found(
    options: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, Setting]:
    settings = read_settings(options or {}, environment or {})
    assert settings.faults == ()
    return {name: settings[name] for name in NAMES}


def refused(options: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        read_settings(options, environment)
    assert caught.value.exit_code == 2
    return caught.value.message, caught.value.hint


def test_without_any_source_the_defaults_hold() -> None:
    assert found() == {
        "database": Setting("sqlite:///commission.db", "default"),
        "out": Setting("out", "default"),
        "sources": Setting("config/sources.toml", "default"),
        "lines.store": Setting("database", "default"),
        "documents": Setting("paid", "default"),
        "formats": Setting(["csv"], "default"),
        **NO_BOUNDS,
        **NO_SCHEDULE,
        **NO_PORTAL,
        **NO_BANK,
        **NO_LETTERHEAD,
        **NO_TAX,
        **ONE_PERSON,
        **ANY_ACCOUNT,
        **NOT_WATCHED,
    }


def test_the_file_goes_before_the_defaults() -> None:
    written(
        'out = "file-out"\ndocuments = "none"\n[lines]\nstore = "s3://bucket/acme"\n'
        '[bounds]\npayout = { USD = "1.00" }\n'
    )
    assert found() == {
        "database": Setting("sqlite:///commission.db", "default"),
        "out": Setting("file-out", "config/engine.toml"),
        "sources": Setting("config/sources.toml", "default"),
        "lines.store": Setting("s3://bucket/acme", "config/engine.toml"),
        "documents": Setting("none", "config/engine.toml"),
        "formats": Setting(["csv"], "default"),
        **NO_BOUNDS,
        **NO_SCHEDULE,
        **NO_PORTAL,
        **NO_BANK,
        **NO_LETTERHEAD,
        **NO_TAX,
        **ONE_PERSON,
        **ANY_ACCOUNT,
        **NOT_WATCHED,
        "bounds.payout": Setting({"USD": "1.00"}, "config/engine.toml"),
    }


def test_the_environment_goes_before_the_file() -> None:
    written(FILE)
    assert found(environment=ENVIRONMENT) == {
        "database": Setting("sqlite:///environment.db", "COMMISSION_DATABASE"),
        "out": Setting("environment-out", "COMMISSION_OUT"),
        "sources": Setting("environment.toml", "COMMISSION_SOURCES"),
        "lines.store": Setting("environment-lines", "COMMISSION_LINES_STORE"),
        "documents": Setting("all", "COMMISSION_DOCUMENTS"),
        "formats": Setting(["csv", "csv"], "COMMISSION_FORMATS"),
        **BOUNDS_OF_THE_ENVIRONMENT,
        **SCHEDULE_OF_THE_ENVIRONMENT,
        **PORTAL_OF_THE_ENVIRONMENT,
        **BANK_OF_THE_ENVIRONMENT,
        **LETTERHEAD_OF_THE_ENVIRONMENT,
        **TAX_OF_THE_ENVIRONMENT,
        **TWO_PERSON,
        **OWN_ACCOUNTS,
        **WATCHED_BY_THE_ENVIRONMENT,
    }


def test_an_option_goes_before_everything() -> None:
    written(FILE)
    assert found(OPTIONS, ENVIRONMENT) == {
        "database": Setting("sqlite:///option.db", "option --database"),
        "out": Setting("option-out", "option --out"),
        "sources": Setting("environment.toml", "COMMISSION_SOURCES"),
        "lines.store": Setting("option-lines", "option --lines-store"),
        "documents": Setting("all", "COMMISSION_DOCUMENTS"),
        "formats": Setting(["csv", "csv"], "COMMISSION_FORMATS"),
        **BOUNDS_OF_THE_ENVIRONMENT,
        **SCHEDULE_OF_THE_ENVIRONMENT,
        **PORTAL_OF_THE_ENVIRONMENT,
        **BANK_OF_THE_ENVIRONMENT,
        **LETTERHEAD_OF_THE_ENVIRONMENT,
        **TAX_OF_THE_ENVIRONMENT,
        **TWO_PERSON,
        **OWN_ACCOUNTS,
        **WATCHED_BY_THE_ENVIRONMENT,
    }


def test_an_empty_variable_says_nothing() -> None:
    written('out = "file-out"\n')
    settings = found(environment={"COMMISSION_OUT": "", "COMMISSION_DOCUMENTS": ""})
    assert settings["out"] == Setting("file-out", "config/engine.toml")
    assert settings["documents"] == Setting("paid", "default")


def test_unknown_names_are_told() -> None:
    written('databse = "x"\nverbosity = 3\n[lines]\nstor = "x"\n')
    settings = read_settings(
        {},
        {
            "COMMISSION_DATABSE": "x",
            "COMMISSION_LINE_STORE": "x",
            "COMMISSION_VERBOSITY": "",
            "commission_out": "x",
        },
    )
    assert settings.faults == (
        "config/engine.toml: databse is no setting; did you mean database?",
        "config/engine.toml: verbosity is no setting",
        "config/engine.toml: lines.stor is no setting; did you mean lines.store?",
        "environment: COMMISSION_DATABSE is no setting; did you mean COMMISSION_DATABASE?",
        "environment: COMMISSION_LINE_STORE is no setting; did you mean COMMISSION_LINES_STORE?",
        "environment: COMMISSION_VERBOSITY is no setting",
    )
    assert settings.database == Setting("sqlite:///commission.db", "default")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("database = 3\n", "config/engine.toml: database: 3 is not a text"),
        ('out = ""\n', "config/engine.toml: out: '' is not a text"),
        ("[database]\nurl = 1\n", "config/engine.toml: database: {'url': 1} is not a text"),
        (
            'documents = "some"\n',
            "config/engine.toml: documents: 'some' is none of paid, all, none",
        ),
        ("documents = true\n", "config/engine.toml: documents: True is none of paid, all, none"),
        ("documents = []\n", "config/engine.toml: documents: [] is none of paid, all, none"),
        ("[lines]\nstore = 3\n", "config/engine.toml: lines.store: 3 is not a text"),
        ('[lines]\nstore = ""\n', "config/engine.toml: lines.store: '' is not a text"),
        (
            '[lines]\nstore = "memory://"\n',
            "config/engine.toml: lines.store: memory:// is none of s3, file",
        ),
        ('formats = "csv"\n', "config/engine.toml: formats: 'csv' is not a list of csv, html, pdf"),
        ("formats = []\n", "config/engine.toml: formats: [] is not a list of csv, html, pdf"),
        (
            'formats = ["csv", "docx"]\n',
            "config/engine.toml: formats: ['csv', 'docx'] is not a list of csv, html, pdf",
        ),
        (
            'formats = [["csv"]]\n',
            "config/engine.toml: formats: [['csv']] is not a list of csv, html, pdf",
        ),
        (
            "[bank]\naccounts = 7\n",
            "config/engine.toml: bank.accounts: 7 is not a list of account numbers in quotes",
        ),
    ],
)
def test_an_impossible_value_is_refused(text: str, message: str) -> None:
    written(text)
    assert refused({}, {}) == (message, "`commission config show` lists all.")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('at = "2:30"', """at: '2:30' is not a time of day in quotes, such as "02:30\""""),
        ('at = "24:00"', """at: '24:00' is not a time of day in quotes, such as "02:30\""""),
        ("at = 230", 'at: 230 is not a time of day in quotes, such as "02:30"'),
        ('zone = "Berlin"',
         """zone: 'Berlin' is neither "plan" nor a zone such as "Europe/Berlin\""""),
        ("zone = 1", 'zone: 1 is neither "plan" nor a zone such as "Europe/Berlin"'),
        ("input = []", "input: [] is not the name of a folder"),
        ('first = "2026-02-30"', "first: '2026-02-30' is not a day, such as 2026-11-20"),
        ("first = 2026", "first: 2026 is not a day, such as 2026-11-20"),
        ("most_days = 0", "most_days: 0 is not a whole number from 1 to 3660"),
        ("most_days = true", "most_days: True is not a whole number from 1 to 3660"),
        ('verify = "yes"', "verify: 'yes' is neither true nor false"),
        ("look_seconds = 3601", "look_seconds: 3601 is not a whole number from 1 to 3600"),
    ],
)  # fmt: skip
def test_an_impossible_value_of_the_schedule_is_refused(line: str, message: str) -> None:
    written(f"[schedule]\n{line}\n")
    assert refused({}, {})[0] == f"config/engine.toml: schedule.{message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('url = "http://partners.example.com"',
         "url: 'http://partners.example.com' would send secrets in clear; write https://"),
        ('url = "partners"',
         "url: 'partners' is not a URL, such as https://partners.example.com"),
        ('oidc_issuer = "http://[::1"',
         "oidc_issuer: 'http://[::1' is not a URL: Invalid IPv6 URL"),
        ("session_hours = 0", "session_hours: 0 is not a whole number from 1 to 720"),
        ("smtp_port = true", "smtp_port: True is not a whole number from 1 to 65535"),
        ('smtp_security = "ssl"', "smtp_security: 'ssl' is none of starttls, tls, none"),
        ('mail_from = "partners"',
         "mail_from: 'partners' is not an address, such as partners@example.com"),
        ("oidc_name = 1", "oidc_name: 1 is not a text in quotes"),
    ],
)  # fmt: skip
def test_an_impossible_value_of_the_portal_is_refused(line: str, message: str) -> None:
    written(f"[portal]\n{line}\n")
    assert refused({}, {})[0] == f"config/engine.toml: portal.{message}"


def test_the_timetable_of_the_settings() -> None:
    written('[schedule]\nat = "00:05"\nzone = "Asia/Tokyo"\nfirst = 2026-11-20\n')
    assert read_settings({}, {}).timetable == Timetable(
        at=time(0, 5), zone="Asia/Tokyo", first=day_of(date(2026, 11, 20))
    )
    assert read_settings({}, {"COMMISSION_SCHEDULE_FIRST": "2026-11-21"}).timetable.first == day_of(
        date(2026, 11, 21)
    )


def test_where_an_impossible_value_came_from_is_said() -> None:
    assert refused({}, {"COMMISSION_DOCUMENTS": "PAID"})[0] == (
        "COMMISSION_DOCUMENTS: documents: 'PAID' is none of paid, all, none"
    )
    assert refused({}, {"COMMISSION_FORMATS": "csv,"})[0] == (
        "COMMISSION_FORMATS: formats: ['csv', ''] is not a list of csv, html, pdf"
    )
    assert refused({"database": ""}, {})[0] == "option --database: database: '' is not a text"


def test_a_table_of_settings_is_a_table() -> None:
    """Passed over, the lines of a first run would have the wrong home for good."""
    written('lines = "/srv/lines"\n')
    assert refused({}, {}) == (
        "config/engine.toml: lines: '/srv/lines' is not a table",
        "Write [lines] on a line of its own, and its settings below.",
    )


def test_a_value_that_does_not_hold_may_be_impossible() -> None:
    written('documents = "some"\n')
    settings = found(environment={"COMMISSION_DOCUMENTS": "none"})
    assert settings["documents"] == Setting("none", "COMMISSION_DOCUMENTS")


@pytest.mark.parametrize("content", [b"database = \n", b'out = "caf\xe9"\n', b"n = " + b"9" * 5000])
def test_a_file_that_is_not_toml_is_refused(content: bytes) -> None:
    written(content)
    message, hint = refused({}, {})
    assert message.startswith("config/engine.toml: this is not TOML: ")
    assert hint == "Mend the file."


def test_a_folder_in_place_of_the_file_says_nothing(home: Path) -> None:
    (home / "config" / "engine.toml").mkdir(parents=True)
    assert found()["out"] == Setting("out", "default")


def test_a_file_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    written(FILE)

    def forbidden(path: Path, encoding: str) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", forbidden)
    message, _ = refused({}, {})
    assert message.endswith("engine.toml: cannot be read: Permission denied")
