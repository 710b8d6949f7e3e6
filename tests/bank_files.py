"""Files of banks, made for tests after the public formats: entries in, the bytes of a file out."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

ACCOUNT = "DE02120300000000202051"
COMPANY = "1234567890"


@dataclass(frozen=True)
class Row:
    """One entry: its amount in minor units of a currency with two decimals, negative where money
    leaves, what it refers to, and how the bank calls it."""

    minor: int
    reference: str = ""
    bank: str = ""
    payee: str = ""
    account: str = ""
    reason: str = ""
    text: str = ""
    day: str = "2026-01-07"
    status: str = "BOOK"

    @property
    def amount(self) -> str:
        return f"{abs(self.minor) // 100}.{abs(self.minor) % 100:02}"


def amount(minor: int) -> str:
    return f"{abs(minor) // 100}.{abs(minor) % 100:02}"


def _xml(name: str, value: str) -> str:
    return f"<{name}>{escape(value)}</{name}>" if value else ""


def _side(minor: int) -> str:
    return f"<CdtDbtInd>{'CRDT' if minor >= 0 else 'DBIT'}</CdtDbtInd>"


def _details(row: Row, code: str, version: str) -> str:
    name = _xml("Nm", row.payee)
    party = f"<Pty>{name}</Pty>" if version >= "08" else name
    parties = f"<Cdtr>{party}</Cdtr>" if row.payee else ""
    if row.account:
        parties += f"<CdtrAcct><Id><IBAN>{row.account}</IBAN></Id></CdtrAcct>"
    back = f"<RtrInf><Rsn><Cd>{row.reason}</Cd></Rsn></RtrInf>" if row.reason else ""
    money = f'<Amt Ccy="{code}">{row.amount}</Amt>'
    return (
        f"<TxDtls><Refs>{_xml('EndToEndId', row.reference or 'NOTPROVIDED')}</Refs>"
        + (money if version >= "04" else f"<AmtDtls><TxAmt>{money}</TxAmt></AmtDtls>")
        + (f"<RltdPties>{parties}</RltdPties>" if parties else "")
        + (f"<RmtInf>{_xml('Ustrd', row.text)}</RmtInf>" if row.text else "")
        + f"{back}</TxDtls>\n"
    )


def _entry(rows: Sequence[Row], code: str, version: str) -> str:
    """An Ntry of one payment, or of several that are booked as one."""
    total, first = sum(row.minor for row in rows), rows[0]
    status = f"<Cd>{first.status}</Cd>" if version >= "08" else first.status
    return (
        f'<Ntry><Amt Ccy="{code}">{amount(total)}</Amt>{_side(total)}<Sts>{status}</Sts>'
        f"<BookgDt><Dt>{first.day}</Dt></BookgDt>{_xml('AcctSvcrRef', first.bank)}<NtryDtls>\n"
        + "".join(_details(row, code, version) for row in rows)
        + "</NtryDtls></Ntry>\n"
    )


def _balance(kind: str, minor: int, code: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{code}">{amount(minor)}</Amt>{_side(minor)}</Bal>\n'
    )


def camt(
    *rows: Row | Sequence[Row],
    version: str = "08",
    kind: str = "053",
    account: str = ACCOUNT,
    code: str = "USD",
    name: str = "S-1",
    opening: int = 1_000_000,
    off: int = 0,
    summary: bool = True,
) -> bytes:
    """A camt.053 or camt.054; `off`: the closing balance or the sum is wrong by so much."""
    groups = [[row] if isinstance(row, Row) else list(row) for row in rows]
    booked = sum(row.minor for group in groups for row in group if row.status == "BOOK")
    whole = sum(abs(sum(row.minor for row in group)) for group in groups)
    balances = (
        _balance("OPBD", opening, code) + _balance("CLBD", opening + booked + off, code)
        if kind == "053"
        else ""
    )
    sums = (
        f"<TxsSummry><TtlNtries><NbOfNtries>{len(groups)}</NbOfNtries>"
        f"<Sum>{amount(whole + (off if kind == '054' else 0))}</Sum></TtlNtries></TxsSummry>\n"
        if summary
        else ""
    )
    message, part = ("BkToCstmrStmt", "Stmt") if kind == "053" else (
        "BkToCstmrDbtCdtNtfctn", "Ntfctn")  # fmt: skip
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version}">'
        f"<{message}><GrpHdr><MsgId>M</MsgId></GrpHdr>\n<{part}><Id>{name}</Id>"
        f"<Acct><Id><IBAN>{account}</IBAN></Id><Ccy>{code}</Ccy></Acct>\n{balances}{sums}"
        + "".join(_entry(group, code, version) for group in groups)
        + f"</{part}></{message}></Document>\n"
    ).encode()


def mt940(*rows: Row, opening: int = 1_000_000, off: int = 0, code: str = "USD") -> bytes:
    """A German MT940: the reference in the subfields of :86:, cut after 27 characters."""

    def balance(tag: str, minor: int) -> str:
        comma = amount(minor).replace(".", ",")
        return f":{tag}:{'C' if minor >= 0 else 'D'}260107{code}{comma}"

    lines = [":20:STARTUMS", f":25:{ACCOUNT}", ":28C:7/1", balance("60F", opening)]
    for row in rows:
        side = "D" if row.minor < 0 else "C"
        day = row.day[2:].replace("-", "")
        lines.append(
            f":61:{day}{day[2:]}{side}{code[2]}{row.amount.replace('.', ',')}NTRFNONREF//{row.bank}"
        )
        purpose = (f"EREF+{row.reference}" if row.reference else "") + f"SVWZ+{row.text}"
        if row.reason:
            purpose = purpose.replace("SVWZ+", f"SVWZ+RETURN {row.reason} ")
        pieces = [purpose[at : at + 27] for at in range(0, len(purpose), 27)]
        subfields = "".join(f"?{20 + number}{piece}" for number, piece in enumerate(pieces))
        told = (
            f":86:{'159' if row.reason else '116'}?00SEPA{subfields}?31{row.account}?32{row.payee}"
        )
        lines += [told[at : at + 65] for at in range(0, len(told), 65)]
    lines.append(balance("62F", opening + sum(row.minor for row in rows) + off))
    return "\r\n".join([*lines, "-", ""]).encode()


def nacha(*rows: Row, off: int = 0, hash_off: int = 0, count_off: int = 0) -> bytes:
    """A file of returns (reasons R..) and notices of change (C..); amounts as they were sent."""
    records = [
        "101 076401251 0764012512601070900A094101" + f"{'OUR BANK':23}{'THEIR BANK':23}{'':8}",
        f"5220{'ACME':16}{'':20}{COMPANY:10}PPD{'PAYOUT':10}{'260106':6}260107   1076401250000001",
    ]
    hash_ = credit = 0
    for number, row in enumerate(rows, 1):
        change = row.reason.startswith("C")
        minor = 0 if change else row.minor
        trace = f"09100001{number:07}"
        records.append(
            f"621076401251{row.account:17}{minor:010}{row.reference:15}{row.payee:22}  1{trace}"
        )
        records.append(
            f"7{'98' if change else '99'}{row.reason:3}07640125{number:07}{'':6}09100001"
            f"{row.text:44}{trace}"
        )
        hash_, credit = hash_ + 7640125, credit + minor
    totals = f"{hash_ + hash_off:010}{0:012}{credit + off:012}"
    records.append(f"8220{2 * len(rows) + count_off:06}{totals}{COMPANY:10}{'':25}076401250000001")
    blocks = -(-(len(records) + 1) // 10)
    records.append(f"9000001{blocks:06}{2 * len(rows):08}{totals}{'':39}")
    records += ["9" * 94] * (blocks * 10 - len(records))
    assert {len(each) for each in records} == {94}
    return ("\n".join(records) + "\n").encode()
