"""The settings, each with where its value came from: option, environment, file, or default."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from commission_engine.problems import UsageError
from commission_engine.resources import folder

FILE = Path("config/engine.toml")
PREFIX = "COMMISSION_"
DOCUMENTS = ("paid", "all", "none")
FORMATS = ("csv",)
SCHEMES = ("s3", "file")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and its origin, as people read it."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `faults` are the unknown names and impossible values among their sources."""

    database: Setting
    out: Setting
    lines_store: Setting
    documents: Setting
    formats: Setting
    faults: tuple[str, ...]

    def __getitem__(self, name: str) -> Setting:
        """A setting by its name in the file."""
        setting: Setting = getattr(self, _field(name))
        return setting


NAMES = ("database", "out", "lines.store", "documents", "formats")
"""The settings as the file names them: `a.b` is `b` in the table `[a]`."""
TABLES = frozenset(name.split(".")[0] for name in NAMES if "." in name)


def _field(name: str) -> str:
    return name.replace(".", "_")


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + _field(name).upper()


def read_settings(options: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Options that are not None go before the environment, that before the file, then defaults.

    Raises UsageError when a value that holds is impossible, or the file is not TOML.
    """
    defaults = _flat(_toml(folder("config") / "engine.toml"), "default")
    file = _flat(_toml(FILE), str(FILE)) if FILE.is_file() else {}
    faults = [f"{FILE}: {name} is no setting{_near(name)}" for name in file if name not in NAMES]
    variables = [variable_of(name) for name in NAMES]
    faults += [
        f"environment: {name} is no setting{_near(name)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in variables
    ]
    found: dict[str, Setting] = {}
    for name in NAMES:
        variable, field = variable_of(name), _field(name)
        if options.get(field) is not None:
            found[field] = Setting(options[field], f"option --{field.replace('_', '-')}")
        elif environment.get(variable):
            found[field] = Setting(_from_text(name, environment[variable]), variable)
        elif name in file:
            found[field] = Setting(file[name], str(FILE))
        else:
            found[field] = Setting(defaults[name], "default")
        if fault := _impossible(name, found[field].value):
            raise UsageError(
                f"{found[field].origin}: {name}: {fault}", "`commission config show` lists all."
            )
    return Settings(**found, faults=tuple(faults))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as why:
        raise UsageError(f"{path}: cannot be read: {why.strerror}", "Check its rights.") from why
    except (ValueError, RecursionError) as why:  # also not UTF-8, numbers too long
        raise UsageError(f"{path}: this is not TOML: {why}", "Mend the file.") from why


def _flat(read: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The settings of a file by their names; only the tables that there are are opened."""
    flat: dict[str, Any] = {}
    for name, value in read.items():
        if name not in TABLES:
            flat[name] = value
        elif isinstance(value, dict):
            flat |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            raise UsageError(
                f"{origin}: {name}: {value!r} is not a table",
                f"Write [{name}] on a line of its own, and its settings below.",
            )
    return flat


def _from_text(name: str, text: str) -> Any:
    return [part.strip() for part in text.split(",")] if name == "formats" else text


def _impossible(name: str, value: Any) -> str:
    if name == "formats":
        wrong = (
            not isinstance(value, list) or not value or any(each not in FORMATS for each in value)
        )
        return f"{value!r} is not a list of {', '.join(FORMATS)}" if wrong else ""
    if name == "documents":
        return "" if value in DOCUMENTS else f"{value!r} is none of {', '.join(DOCUMENTS)}"
    if name == "lines.store" and isinstance(value, str) and "://" in value:
        scheme = value.split("://")[0]
        return "" if scheme in SCHEMES else f"{scheme}:// is none of {', '.join(SCHEMES)}"
    return "" if isinstance(value, str) and value else f"{value!r} is not a text"


def _near(name: str) -> str:
    prefix = PREFIX if name.startswith(PREFIX) else ""
    known = [variable_of(each).removeprefix(prefix) if prefix else each for each in NAMES]
    close = get_close_matches(name.removeprefix(prefix), known, 1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""
