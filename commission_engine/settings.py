"""The settings, each with where its value came from: option, environment, file, or default."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from commission_engine import bounds, debtor, doorway, hooks, letterhead, logs, timetable
from commission_engine.problems import UsageError
from commission_engine.resources import folder

FILE = Path("config/engine.toml")
PREFIX = "COMMISSION_"
DOCUMENTS = ("paid", "all", "none")
APPROVAL = ("one-person", "two-person", "none")
FORMATS = ("csv", "html", "pdf")
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
    sources: Setting
    lines_store: Setting
    documents: Setting
    formats: Setting
    payouts_approval: Setting
    bank_accounts: Setting
    entity_name: Setting
    entity_address: Setting
    entity_vat_id: Setting
    entity_prefix: Setting
    tax_require_document: Setting
    bounds_run_times_median: Setting
    bounds_median_of: Setting
    bounds_median_after: Setting
    bounds_payout: Setting
    bounds_lines_per_beneficiary: Setting
    log_format: Setting
    log_file: Setting
    metrics_textfile: Setting
    hooks_completed: Setting
    hooks_failed: Setting
    hooks_held: Setting
    schedule_at: Setting
    schedule_zone: Setting
    schedule_input: Setting
    schedule_first: Setting
    schedule_most_days: Setting
    schedule_verify: Setting
    schedule_look_seconds: Setting
    bank_name: Setting
    bank_iban: Setting
    bank_bic: Setting
    bank_street_name: Setting
    bank_building_number: Setting
    bank_postcode: Setting
    bank_town: Setting
    bank_country: Setting
    bank_ach_routing: Setting
    bank_ach_bank: Setting
    bank_ach_origin: Setting
    bank_ach_company_id: Setting
    bank_ach_description: Setting
    bank_cool_off_days: Setting
    bank_shared_accounts: Setting
    bank_templates: Setting
    statements_name: Setting
    statements_address: Setting
    statements_contact: Setting
    statements_logo: Setting
    statements_colour: Setting
    statements_language: Setting
    portal_url: Setting
    portal_session_hours: Setting
    portal_idle_minutes: Setting
    portal_link_minutes: Setting
    portal_token_days: Setting
    portal_smtp_host: Setting
    portal_smtp_port: Setting
    portal_smtp_user: Setting
    portal_smtp_security: Setting
    portal_mail_from: Setting
    portal_oidc_issuer: Setting
    portal_oidc_client_id: Setting
    portal_oidc_name: Setting
    faults: tuple[str, ...]

    def __getitem__(self, name: str) -> Setting:
        """A setting by its name in the file."""
        setting: Setting = getattr(self, _field(name))
        return setting

    @property
    def bounds(self) -> bounds.Bounds:
        return bounds.Bounds.of({name: self[f"bounds.{name}"].value for name in BOUNDS})

    @property
    def timetable(self) -> timetable.Timetable:
        named = {name: self[f"schedule.{name}"].value for name in timetable.NAMES}
        return timetable.Timetable.of(named)

    @property
    def doorway(self) -> doorway.Doorway:
        return doorway.Doorway.of({name: self[f"portal.{name}"].value for name in doorway.NAMES})

    @property
    def debtor(self) -> debtor.Debtor:
        return debtor.Debtor.of({name: self[f"bank.{name}"].value for name in debtor.NAMES})

    @property
    def statements(self) -> Mapping[str, Any]:
        """Those of `[statements]`, by their names in it."""
        return {name: self[f"statements.{name}"].value for name in letterhead.NAMES}


BOUNDS = (
    "run_times_median", "median_of", "median_after", "payout", "lines_per_beneficiary",
)  # fmt: skip
NAMES = (
    "database", "out", "sources", "lines.store", "documents", "formats",
    *(f"bounds.{name}" for name in BOUNDS),
    "payouts.approval", "bank.accounts",
    "entity.name", "entity.address", "entity.vat_id", "entity.prefix", "tax.require_document",
    "log.format", "log.file", "metrics.textfile", *(f"hooks.{event}" for event in hooks.EVENTS),
    *(f"schedule.{name}" for name in timetable.NAMES),
    *(f"bank.{name}" for name in debtor.NAMES),
    *(f"statements.{name}" for name in letterhead.NAMES),
    *(f"portal.{name}" for name in doorway.NAMES),
)  # fmt: skip
"""The settings as the file names them: `a.b` is `b` in the table `[a]`."""
SECRETS = (hooks.SECRET, debtor.KEY, letterhead.KEY, *doorway.SECRETS)
"""Variables of the environment that are no settings: what they say is shown nowhere."""
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
        if name.startswith(PREFIX) and name not in (*variables, *SECRETS)
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
    settings = Settings(**found, faults=tuple(faults))
    _refuse_a_median_of_too_few(settings)
    return settings


def _refuse_a_median_of_too_few(settings: Settings) -> None:
    after, of = settings.bounds_median_after, settings.bounds_median_of
    if after.value > of.value:
        raise UsageError(
            f"{after.origin}: bounds.median_after: {after.value} is more than bounds.median_of,"
            f" {of.value}: no run would ever be judged",
            f"Write {of.value} or less, or a larger bounds.median_of.",
        )


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
    """The value that a text of the environment says; the text itself where it says none."""
    parts = [part.strip() for part in text.split(",")]
    if name in ("formats", "bank.accounts", "tax.require_document"):
        return parts
    if name == "bounds.payout" and all("=" in part for part in parts):
        return {code.strip(): amount.strip() for code, _, amount in (
            part.partition("=") for part in parts)}  # fmt: skip
    if name == "schedule.verify":
        return {"true": True, "false": False}.get(text, text)
    whole = (
        "bounds.median_of", "bounds.median_after", "bounds.lines_per_beneficiary",
        "bank.cool_off_days", *(f"schedule.{each}" for each in timetable.WHOLE),
        *(f"portal.{each}" for each in doorway.WHOLE),
    )  # fmt: skip
    return int(text) if name in whole and _WHOLE.fullmatch(text) else text


_COUNTRY = re.compile(r"[A-Z]{2}|\*", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9/_-]{1,20}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)


def _impossible(name: str, value: Any) -> str:
    if name == "formats":
        wrong = (
            not isinstance(value, list) or not value or any(each not in FORMATS for each in value)
        )
        return f"{value!r} is not a list of {', '.join(FORMATS)}" if wrong else ""
    if name == "bank.accounts":
        texts = isinstance(value, list) and all(isinstance(each, str) and each for each in value)
        return "" if texts else f"{value!r} is not a list of account numbers in quotes"
    if name == "tax.require_document":
        good = isinstance(value, list) and all(
            isinstance(each, str) and _COUNTRY.fullmatch(each) for each in value
        )
        return "" if good else f"{value!r} is not a list of countries, such as US, or of *"
    if name == "entity.prefix":
        good = isinstance(value, str) and _PREFIX.fullmatch(value) is not None
        return "" if good else f"{value!r} is not 1 to 20 letters, digits and - / _"
    if name.startswith("entity."):
        return "" if isinstance(value, str) else f"{value!r} is not a text"
    if name.startswith("bounds."):
        return bounds.fault(name.removeprefix("bounds."), value)
    if name.startswith("hooks."):
        return hooks.fault(value)
    if name.startswith("schedule."):
        return timetable.fault(name.removeprefix("schedule."), value)
    if name.startswith("portal."):
        return doorway.fault(name.removeprefix("portal."), value)
    if name.startswith("bank."):
        return debtor.fault(name.removeprefix("bank."), value)
    if name.startswith("statements."):
        return letterhead.fault(name.removeprefix("statements."), value)
    if name == "log.format":
        return "" if value in logs.FORMATS else f"{value!r} is none of {', '.join(logs.FORMATS)}"
    if name in ("log.file", "metrics.textfile"):
        return "" if isinstance(value, str) else f"{value!r} is not the name of a file"
    for choice, words in (("documents", DOCUMENTS), ("payouts.approval", APPROVAL)):
        if name == choice:
            return "" if value in words else f"{value!r} is none of {', '.join(words)}"
    if name == "lines.store" and isinstance(value, str) and "://" in value:
        scheme = value.split("://")[0]
        return "" if scheme in SCHEMES else f"{scheme}:// is none of {', '.join(SCHEMES)}"
    return "" if isinstance(value, str) and value else f"{value!r} is not a text"


def _near(name: str) -> str:
    prefix = PREFIX if name.startswith(PREFIX) else ""
    known = [variable_of(each).removeprefix(prefix) if prefix else each for each in NAMES]
    close = get_close_matches(name.removeprefix(prefix), known, 1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""
