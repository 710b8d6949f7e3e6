"""Whose account pays, and how carefully: the settings `[bank]`, checked for their form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "COMMISSION_BANK_KEY"
"""The environment variable with the keys of what is sealed: no setting, and shown nowhere."""

ADDRESS = ("street_name", "building_number", "postcode", "town", "country")
ACH = ("ach_routing", "ach_bank", "ach_origin", "ach_company_id", "ach_description")
NAMES = (
    *("name", "iban", "bic"), *ADDRESS, *ACH, "cool_off_days", "shared_accounts", "templates",
)  # fmt: skip
SHARED = ("refuse", "pay")
MOST_DAYS = 365


@dataclass(frozen=True, slots=True)
class Debtor:
    """Who pays, from which account; "" where it is not set. `ach_routing` and `ach_bank` are the
    routing number and the name of the bank that takes ACH files, `ach_origin` and `ach_company_id`
    what it calls the one who sends them.

    For `cool_off_days` business dates a changed account is paid nothing. `shared_accounts`: what
    happens to an account of several affiliates. `templates` is the folder of formats of one's own.
    """

    name: str = ""
    iban: str = ""
    bic: str = ""
    street_name: str = ""
    building_number: str = ""
    postcode: str = ""
    town: str = ""
    country: str = ""
    ach_routing: str = ""
    ach_bank: str = ""
    ach_origin: str = ""
    ach_company_id: str = ""
    ach_description: str = "COMMISSION"
    cool_off_days: int = 3
    shared_accounts: str = "refuse"
    templates: str = "config/payment_templates"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Debtor":
        """From settings by their names, each of which is possible (see `fault`)."""
        return cls(**{name: settings[name] for name in NAMES})


def fault(name: str, value: Any) -> str:
    """What is wrong with the value of the setting `bank.<name>`, and what would be right."""
    if name == "cool_off_days":
        whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_DAYS
        return "" if whole else f"{value!r} is not a whole number from 0 to {MOST_DAYS}"
    if name == "shared_accounts":
        return "" if value in SHARED else f"{value!r} is none of {', '.join(SHARED)}"
    return "" if isinstance(value, str) else f"{value!r} is not a text in quotes"
