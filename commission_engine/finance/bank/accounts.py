"""What is an account: IBAN, BIC, ABA routing number, country. The only home of schwifty.

Each function gives what is wrong, as the end of a sentence about a value that is not repeated in
it; "" where nothing is.
"""

import re

from commission_engine.finance.payees.seal import lacking

EEA = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"),
    *("IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)
"""The European Economic Area: within it an IBAN alone says where the money goes."""

_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


def plain_iban(text: str) -> str:
    """As files have it: capitals, without the spaces that people write."""
    return text.replace(" ", "").upper()


def iban_fault(iban: str) -> str:
    """Of an IBAN in its plain form."""
    try:
        from schwifty import IBAN, exceptions
    except ModuleNotFoundError as why:
        raise lacking() from why
    try:
        IBAN(iban)
    except exceptions.InvalidCountryCode:
        return "is no IBAN: no country with IBANs begins so"
    except exceptions.InvalidLength:
        return "is no IBAN: it is too short or too long for its country"
    except exceptions.InvalidChecksumDigits:
        return "is no IBAN: its check digits do not fit; a sign is wrong, or two are swapped"
    except exceptions.SchwiftyException:
        return "is no IBAN: it has signs where its country has none such"
    return ""


def in_sepa(iban: str) -> bool:
    """Whether SEPA reaches the country of a good IBAN."""
    from schwifty import IBAN

    return bool(IBAN(iban).in_sepa_zone)


def bic_fault(bic: str) -> str:
    try:
        from schwifty import BIC, exceptions
    except ModuleNotFoundError as why:
        raise lacking() from why
    try:
        BIC(bic)
    except exceptions.InvalidCountryCode:
        return "is no BIC: its fifth and sixth sign are no country"
    except exceptions.InvalidLength:
        return "is no BIC: it has 8 or 11 signs"
    except exceptions.SchwiftyException:
        return "is no BIC: it has signs where a BIC has none such"
    return "" if bic.isupper() else "is no BIC: its letters are capitals"


def routing_fault(number: str) -> str:
    """Of an ABA routing number: nine digits, the last of which checks the others."""
    if not re.fullmatch(r"\d{9}", number, re.ASCII):
        return "is no routing number: it has nine digits"
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=True))
    return "is no routing number: its last digit does not check the others" if total % 10 else ""


def country_fault(code: str) -> str:
    try:
        import pycountry
    except ModuleNotFoundError as why:
        raise lacking() from why
    if _COUNTRY.fullmatch(code) and pycountry.countries.get(alpha_2=code):
        return ""
    return "is no country; write the two capitals of ISO 3166, such as DE"
