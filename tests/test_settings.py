"""Settings: which source holds, and what is said of those that cannot be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from commission_engine.problems import UsageError
from commission_engine.settings import NAMES, Setting, read_settings

ENVIRONMENT = {
    "COMMISSION_DATABASE": "sqlite:///environment.db",
    "COMMISSION_OUT": "environment-out",
    "COMMISSION_DOCUMENTS": "all",
    "COMMISSION_FORMATS": "csv, csv",
    "COMMISSION_LINES_STORE": "environment-lines",
    "COMMISSION_BOUNDS_RUN_TIMES_MEDIAN": "2.5",
    "COMMISSION_BOUNDS_MEDIAN_OF": "9",
    "COMMISSION_BOUNDS_MEDIAN_AFTER": "8",
    "COMMISSION_BOUNDS_PAYOUT": "USD=10.00, JPY=5",
    "COMMISSION_BOUNDS_LINES_PER_BENEFICIARY": "7",
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
        "lines.store": Setting("database", "default"),
        "documents": Setting("paid", "default"),
        "formats": Setting(["csv"], "default"),
        **NO_BOUNDS,
    }


def test_the_file_goes_before_the_defaults() -> None:
    written(
        'out = "file-out"\ndocuments = "none"\n[lines]\nstore = "s3://bucket/acme"\n'
        '[bounds]\npayout = { USD = "1.00" }\n'
    )
    assert found() == {
        "database": Setting("sqlite:///commission.db", "default"),
        "out": Setting("file-out", "config/engine.toml"),
        "lines.store": Setting("s3://bucket/acme", "config/engine.toml"),
        "documents": Setting("none", "config/engine.toml"),
        "formats": Setting(["csv"], "default"),
        **NO_BOUNDS,
        "bounds.payout": Setting({"USD": "1.00"}, "config/engine.toml"),
    }


def test_the_environment_goes_before_the_file() -> None:
    written(FILE)
    assert found(environment=ENVIRONMENT) == {
        "database": Setting("sqlite:///environment.db", "COMMISSION_DATABASE"),
        "out": Setting("environment-out", "COMMISSION_OUT"),
        "lines.store": Setting("environment-lines", "COMMISSION_LINES_STORE"),
        "documents": Setting("all", "COMMISSION_DOCUMENTS"),
        "formats": Setting(["csv", "csv"], "COMMISSION_FORMATS"),
        **BOUNDS_OF_THE_ENVIRONMENT,
    }


def test_an_option_goes_before_everything() -> None:
    written(FILE)
    assert found(OPTIONS, ENVIRONMENT) == {
        "database": Setting("sqlite:///option.db", "option --database"),
        "out": Setting("option-out", "option --out"),
        "lines.store": Setting("option-lines", "option --lines-store"),
        "documents": Setting("all", "COMMISSION_DOCUMENTS"),
        "formats": Setting(["csv", "csv"], "COMMISSION_FORMATS"),
        **BOUNDS_OF_THE_ENVIRONMENT,
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
        ('formats = "csv"\n', "config/engine.toml: formats: 'csv' is not a list of csv"),
        ("formats = []\n", "config/engine.toml: formats: [] is not a list of csv"),
        (
            'formats = ["csv", "docx"]\n',
            "config/engine.toml: formats: ['csv', 'docx'] is not a list of csv",
        ),
        ('formats = [["csv"]]\n', "config/engine.toml: formats: [['csv']] is not a list of csv"),
    ],
)
def test_an_impossible_value_is_refused(text: str, message: str) -> None:
    written(text)
    assert refused({}, {}) == (message, "`commission config show` lists all.")


def test_where_an_impossible_value_came_from_is_said() -> None:
    assert refused({}, {"COMMISSION_DOCUMENTS": "PAID"})[0] == (
        "COMMISSION_DOCUMENTS: documents: 'PAID' is none of paid, all, none"
    )
    assert refused({}, {"COMMISSION_FORMATS": "csv,"})[0] == (
        "COMMISSION_FORMATS: formats: ['csv', ''] is not a list of csv"
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
