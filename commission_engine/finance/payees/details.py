"""What is known of a payee, and what of it may be shown."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

METHODS = ("sepa", "ach", "paypal", "wise", "other")
"""How an affiliate can be paid; `other`: by a format of one's own."""

ADDRESS = ("street_name", "building_number", "postcode", "town", "country")
SHOWN = ("payee_name", "method", "bic", "account_type", "town", "country", "currency")
"""What of a payee says nothing of the account, or stands in every bank's list."""

_ENOUGH = 8
"""Signs of which four may be shown."""


@dataclass(frozen=True, slots=True)
class Details:
    """A row of a file of payees: the account holder, how he is paid, and where; "" for nothing.
    `extra` are the columns that the program does not know."""

    payee_name: str
    method: str
    iban: str = ""
    bic: str = ""
    routing_number: str = ""
    account_number: str = ""
    account_type: str = ""
    email: str = ""
    street_name: str = ""
    building_number: str = ""
    postcode: str = ""
    town: str = ""
    country: str = ""
    currency: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Details({self.method}, {self.account})"  # masked, also in a trace

    @property
    def sealable(self) -> bytes:
        """In one form, which `of` reads."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode("utf-8")

    @classmethod
    def of(cls, content: bytes) -> "Details":
        return cls(**json.loads(content))

    @property
    def names_account(self) -> tuple[Any, ...]:
        """All that says where money goes: where it differs, the account is another one."""
        aside = {"payee_name", "currency", *ADDRESS}
        return tuple(sorted((k, str(v)) for k, v in asdict(self).items() if k not in aside))

    @property
    def place(self) -> tuple[str, ...]:
        """The account that two affiliates share if it is equal; () where it cannot be told."""
        if self.iban:
            return ("iban", self.iban)
        if self.account_number:
            return ("number", self.routing_number, self.bic, self.account_number)
        return ("email", self.email.casefold()) if self.email else ()

    @property
    def account(self) -> str:
        """The account in one masked word."""
        for name in ("iban", "account_number", "email"):
            if value := getattr(self, name):
                return masked(name, value)
        return "…" if self.extra else ""

    def shown(self) -> dict[str, str]:
        """Every column that is there, masked."""
        given = {name: value for name, value in asdict(self).items() if name != "extra" and value}
        known = {name: masked(name, value) for name, value in given.items()}
        return known | {name: masked("extra", value) for name, value in self.extra.items()}


def masked(column: str, value: str) -> str:
    """A value as people may see it: enough to know it again, too little to use it.

    >>> masked("iban", "DE89370400440532013000"), masked("email", "ann@example.com")
    ('DE…3000', 'a…@example.com')
    """
    if column in SHOWN:
        return value
    if column == "email":
        name, at, host = value.partition("@")
        return f"{name[:1]}…{at}{host}" if at and name else "…"
    if column in ("iban", "account_number", "routing_number") and len(value) >= _ENOUGH:
        return (value[:2] if column == "iban" else "") + "…" + value[-4:]
    return "…"


def harmless(value: str) -> str:
    """A value that should be harmless, as an error may show it: accounts end up in all columns."""
    digits = sum(each.isdigit() for each in value)
    return f"…{value[-4:]}" if digits >= _ENOUGH or "@" in value else value[:60]
