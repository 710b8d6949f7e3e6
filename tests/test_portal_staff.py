"""What operators and finance do on the portal's pages: each as the command does it, by whoever has
signed in."""

import base64
import io
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import series
from portal_world import World, commission, name_of, secrets_of, world_at
from starlette.testclient import TestClient

from commission_engine.book.connect import connect, reading
from commission_engine.book.doors import STAFF, Who
from commission_engine.book.lock import working
from commission_engine.identity import Identity, account, signed_in
from commission_engine.portal.gate import LARGEST_FORM
from commission_engine.portal.operators.refused import LARGEST
from commission_engine.portal.portal import form_token, new_secret
from commission_engine.portal.upload import MOST_FIELDS, fields
from commission_engine.portal.uploads import (
    KEPT_SECONDS,
    MOST_BYTES,
    File,
    LookedAt,
    Uploads,
    file_in,
    on_disk,
)
from commission_engine.problems import UsageError

BAD = """\
event_id,affiliate_id,occurred_at,amount,currency
x1,a01,2026-02-20,"12,50",USD
x2,a02,2026-02-20,1.234,USD
"""
STATEMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Id>2026-7</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp>
<Amt Ccy="USD">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp>
<Amt Ccy="USD">93.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="USD">7.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-03-02</Dt></BookgDt><AcctSvcrRef>B-1</AcctSvcrRef>
<NtryDtls><TxDtls><RltdPties><Cdtr><Pty><Nm>Somebody Else</Nm></Pty></Cdtr></RltdPties></TxDtls>
</NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>
"""


@pytest.fixture(scope="module")
def world(portal_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The programme with two persons for payouts, one payout that is held, and refused rows; otto
    ran its last night, and has an account."""
    folder = tmp_path_factory.mktemp("staff") / "portal"
    shutil.copytree(portal_book, folder)
    url = f"sqlite:///{folder / 'commission.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=120.00")
        patch.chdir(folder)
        Path("bad.csv").write_text(BAD, "utf-8")
        with pytest.raises(AssertionError, match=r"bad\.csv --database \S+: 3"):
            commission("import", "earnings", "bad.csv", "--database", url)
        commission("run", "--date", "2026-02-28", "--as", "otto", "--database", url)
        for name, role in (("otto", "checker"), ("omar", "operator")):
            commission("users", "add", name, "--role", role, "--database", url)
    made = world_at(url, folder, payouts_approval="two-person")
    yield made
    made.close()


def named(world: World, name: str) -> TestClient:
    """A browser in which this account has signed in."""
    secret = new_secret()
    world.portal.doors.begin(secret, Who(STAFF, name), world.now, world.now + 3600)
    client = world.anybody()
    client.cookies.set(world.portal.cookie, secret)
    return client


def send(client: TestClient, path: str, **fields: str) -> tuple[int, str]:
    """What is answered to a form: the status, and where it leads, or what it says."""
    token = form_token(client.cookies["commission"])
    response = client.post(path, data={"form_token": token, **fields})
    return response.status_code, response.headers.get("location") or words(response.text)


def shows(client: TestClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return words(response.text)


def words(page: str) -> str:
    """The text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def hidden_button(page: str) -> str:
    """By what a file that was looked at is known again."""
    return hidden(page, "looked_at")


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return unescape(found[1])


def test_an_administrator_keeps_accounts_but_gives_nobody_a_say_over_money(world: World) -> None:
    client = world.of("admin")
    new = {"name": "petra", "email": "petra@staff.example"}
    assert send(client, "/users", **new, role="support")[0] == 303
    assert send(client, "/users", **new, role="operator")[0] == 303
    page = shows(client, "/users")
    assert "petra petra@staff.example operator" in page
    assert f"the-admin (signed in at {account()})" in page

    at_work = named(world, "petra")
    assert at_work.get("/runs").status_code == 200

    for role in ("maker", "checker"):
        code, said = send(client, "/users", **new, role=role)
        assert (code, f"the role {role} is given and changed on the server only" in said) == (
            400, True,
        )  # fmt: skip
    code, said = send(
        client, "/users", name="the-maker", email="petra@staff.example", role="support"
    )
    assert (code, "commission users add the-maker --role support" in said) == (400, True)
    for where in ("/users", "/users/remove"):
        code, said = send(client, where, name="the-admin", role="support")
        assert (code, "nobody changes or removes his own account" in said) == (400, True)
    assert "there is no account 'nobody'" in send(client, "/users/remove", name="nobody")[1]
    assert "'king' is no role" in send(client, "/users", **new, role="king")[1]

    assert send(client, "/users/remove", name="petra")[0] == 303
    assert at_work.get("/runs").status_code == 303
    assert "petra" not in shows(client, "/users").split("Add an account")[0]
    assert "Add an account" not in shows(world.of("auditor"), "/users")


def test_an_operator_mends_refused_rows(world: World) -> None:
    client = world.of("operator")
    assert "bad.csv:2 bad_amount amount '12,50' is not an amount" in shows(client, "/refused")
    rows = {"row-1": "1", "row-2": "1"}
    token = {"form_token": form_token(client.cookies["commission"])}
    assert client.post("/refused/file", data=token | rows).content == BAD.encode()
    assert "12,50" in client.post("/refused/mend", data=token | rows).text
    half = BAD.replace('"12,50"', "12.50")
    preview = client.post("/refused/mended", data=token | {"kind": "earnings", "rows": half})
    assert "2 read = 1 accepted + 0 duplicate + 1 rejected. Nothing was kept" in words(preview.text)
    assert "3 amount too_many_decimals '1.234' has 3 decimals where USD has 2" in words(
        preview.text
    )
    looked_at = hidden(preview.text, "looked_at")
    whole = half.replace("1.234", "1.23").replace("\n", "\r\n")
    other = {"kind": "earnings", "rows": whole, "looked_at": looked_at, "import": "1"}
    changed = client.post("/refused/mended", data=token | other)
    assert "not those that were looked at" in words(changed.text)
    assert "bad.csv:2 bad_amount" in shows(client, "/refused")
    assert "waits" in shows(client, "/refused?code=bad_amount")
    file = {"file": ("mended.csv", whole.encode(), "text/csv")}
    uploaded = client.post(
        "/refused/mended", data=token | {"kind": "earnings", "rows": ""}, files=file
    )
    agreed = hidden(uploaded.text, "looked_at")
    assert agreed == hidden(changed.text, "looked_at")
    sure = {"looked_at": agreed, "import": "1", "kind": "earnings", "rows": whole}
    done = client.post("/refused/mended", data=token | sure)
    assert done.headers["location"].endswith("&accepted=2&duplicate=0&rejected=0")
    assert "mended" in shows(client, "/refused?code=bad_amount")
    assert "the-operator (signed in at" in shows(client, "/audit?what=import+earnings")
    none = send(client, "/refused/mended", kind="earnings", rows="a,b\n1,2")
    assert none[0] == 400
    assert "the mended rows: line 1 has no columns 'event_id', 'affiliate_id'" in none[1]


def test_a_form_with_a_file_is_taken_apart_or_is_none() -> None:
    said = "multipart/form-data; boundary=xy"
    part = "--xy\r\nContent-Disposition: form-data; name={}\r\n\r\n{}\r\n"
    good = (
        part.format('"a"', "1\r\n--x") + part.format('"b"; filename="--xy"', "x,y\n\x00") + "--xy--"
    )
    assert fields(good.encode(), said) == {
        "a": "1\r\n--x", "b": "x,y\n\x00", "b (name)": "--xy",
    }  # fmt: skip
    assert fields(good.encode(), 'multipart/form-data; boundary="xy"')["a"] == "1\r\n--x"
    twice = part.format('"a"', "1") + part.format('"a"; filename=""', "") + "--xy--"
    assert fields(twice.encode(), said) == {"a": "1"}
    assert fields(part.format('"a"', "\xff").encode("latin-1") + b"--xy--", said) == {"a": "\udcff"}
    for body in ("", "--xy", "--xy--", "no boundary", part.format("a", "1"), "--xy\r\n\r\n1"):
        assert fields(body.encode(), said) == {}
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", f"{said}{'y' * 90}"):
        assert fields(good.encode(), kind) == {}
    many = "".join(part.format(f'"{n}"', "1") for n in range(MOST_FIELDS + 9))
    assert len(fields(many.encode(), said)) == MOST_FIELDS


def test_who_has_not_signed_in_cannot_send_much(world: World) -> None:
    rows = {"rows": "x" * (LARGEST_FORM + 1), "kind": "earnings"}
    assert world.anybody().post("/refused/mended", data=rows).status_code == 413
    client = world.of("operator")
    assert client.post("/refused/mended", data=_token(client) | rows).status_code == 400
    rows["rows"] = "x" * (LARGEST + 1)
    assert client.post("/refused/mended", data=_token(client) | rows).status_code == 413


def test_two_people_approve_and_what_is_paid_is_proved(world: World) -> None:
    otto, carla, maker = named(world, "otto"), world.of("checker"), world.of("maker")
    settlement = {"date": "2026-02-28"}
    look = otto.post("/payouts/approve", data=settlement | _token(otto)).text
    batch = hidden(look, "hash")
    sure = settlement | {"hash": batch, "sure": "1"}
    status, said = send(otto, "/payouts/approve", **sure)
    assert status == 400
    assert "otto ran the night of 2026-02-28 (as otto (as given by" in said
    assert "so somebody else has to approve its payouts" in said
    assert send(maker, "/payouts/approve", **sure)[0] == 403
    unseen = send(carla, "/payouts/approve", **settlement, sure="1")
    assert unseen[0] == 400
    assert "nothing was looked at" in unseen[1]
    stale = send(carla, "/payouts/approve", **(sure | {"hash": "0" * 64}))
    assert stale[0] == 400
    assert "is not what was looked at as 0000000000000000" in stale[1]
    assert send(carla, "/payouts/approve", **sure) == (303, f"/batches/{batch}")
    assert send(carla, "/payouts/approve", **sure) == (303, f"/batches/{batch}")  # once
    assert "approved" in shows(maker, f"/batches/{batch}")
    assert "the-checker (signed in at" in shows(maker, "/payouts")

    first = re.search(r"po-20260228-[0-9a-v]{16}", maker.get(f"/batches/{batch}").text)
    assert first
    lost = send(maker, "/payouts/reject", **{first[0]: "1", "reason": "a doubt"})[1]
    assert "other payouts of the same batch is gone with it" in lost
    assert "approved" in shows(maker, f"/batches/{batch}?status=approved")

    foreseen = send(maker, "/payouts/export", format="csv")[1]
    assert f"payments-{batch[:16]}.csv" in foreseen
    assert "Nothing was exported yet" in shows(maker, "/payments")
    assert send(maker, "/payouts/export", format="csv", sure="1") == (303, "/payments")
    listed = maker.get("/payments").text
    place = re.search(r'href="(/payments/\d+)"', listed)
    assert place
    (path,) = (world.folder / "out" / "payments").iterdir()
    sent = maker.get(place[1])
    assert sent.content == path.read_bytes()
    assert sent.headers["content-disposition"] == f'attachment; filename="{path.name}"'
    assert world.of("operator").get(place[1]).status_code == 403
    proper = path.read_bytes()
    path.write_bytes(proper.replace(b"USD", b"EUR"))
    refused = maker.get(place[1])
    assert refused.status_code == 500
    assert "is not as it was written" in words(refused.text)
    path.write_bytes(proper)

    failed = {first[0]: "1", "to": "failed", "reason": ""}
    assert "--reason is empty" in send(maker, "/payouts/mark", **failed)[1]
    paid = {"batch": batch, "to": "paid", "reason": "B-17"}
    assert "Nothing was changed yet" in send(maker, "/payouts/mark", **paid)[1]
    assert send(maker, "/payouts/mark", **paid, sure="1")[0] == 303
    assert "paid" in shows(maker, "/settlements/2026-02-28?status=paid")
    assert _verified(world)


def _token(client: TestClient) -> dict[str, str]:
    return {"form_token": form_token(client.cookies["commission"])}


def _verified(world: World) -> bool:
    said = commission("verify", "--out", str(world.folder / "out"), "--database", world.url)
    return "all agree" in said


def test_a_maker_lets_a_balance_below_the_minimum_be_paid(world: World) -> None:
    maker = world.of("maker")
    form = {"affiliate_id": "a00", "currency": "USD", "reason": "leaves the programme"}
    for wrong, said in (
        ({"reason": " "}, "--reason is empty"),
        ({"affiliate_id": "nobody"}, "there is no affiliate 'nobody'"),
        ({"currency": "EUR"}, "nothing was ever earned in 'EUR'"),
    ):
        status, page = send(maker, "/payouts/override", **(form | wrong), sure="1")
        assert (status, said in page) == (400, True), said
    look = send(maker, "/payouts/override", **form)[1]
    assert "The next settlement would pay a00 any USD" in look
    assert "Nothing was changed yet" in look
    assert "override minimum" not in shows(maker, "/payouts")
    assert send(world.of("checker"), "/payouts/override", **form)[0] == 403
    assert send(maker, "/payouts/override", **form, sure="1") == (303, "/payouts")
    assert "override minimum a00 USD leaves the programme" in shows(maker, "/payouts")
    assert "pays a00 any USD already" in send(maker, "/payouts/override", **form)[1]


def test_who_has_signed_in_is_one_person_whatever_the_server_runs_as() -> None:
    carla, dora = (signed_in(name, account()) for name in ("carla", "dora"))
    cases = {
        (carla, dora): False,
        (carla, carla): True,
        (carla, account()): False,
        (carla, f"Carla (as given by {account()})"): True,
        (carla, "carla@elsewhere"): True,
        (dora, f"carla (as given by {account()})"): False,
    }
    for (one, other), same in cases.items():
        assert Identity.of(one).same_person(Identity.of(other)) is same, (one, other)
        assert Identity.of(other).same_person(Identity.of(one)) is same, (other, one)


def test_a_correction_needs_somebody_else(world: World) -> None:
    operator, omar = world.of("operator"), named(world, "omar")
    form = {"affiliate_id": "a03", "amount": "5.00", "currency": "USD", "reason": "goodwill"}
    assert "A second person has to approve it" in send(operator, "/corrections", **form)[1]
    assert "Nothing waits" in shows(operator, "/corrections")
    assert send(operator, "/corrections", **form, sure="1") == (303, "/corrections?done=proposal+1")
    own = send(operator, "/corrections/1", approve="1")
    assert own[0] == 400
    assert "a second person has to approve it" in own[1]
    assert "there is no affiliate 'nobody'" in send(
        operator, "/corrections", **(form | {"affiliate_id": "nobody"})
    )[1]  # fmt: skip
    assert send(omar, "/corrections/1", approve="1")[0] == 303
    assert "approved at" in shows(world.of("auditor"), "/corrections?all=1")


def test_what_is_held_is_let_go_with_a_reason(world: World) -> None:
    client = world.of("operator")
    assert "a00: a payout of $126.60 is more than $120.00" in shows(client, "/holds")
    assert "1 hold not released: 1" in shows(world.of("maker"), "/month-end?month=2026-02")
    assert "--reason is empty" in send(client, "/holds/1/release", reason=" ")[1]
    assert send(world.of("maker"), "/holds/1/release", reason="known")[0] == 403
    assert send(client, "/holds/1/release", reason="<script>pwned=1</script>")[0] == 303
    assert "by the-operator (signed in at" in shows(client, "/holds?all=1")
    for path in ("/holds?all=1", "/audit?what=release", "/audit/1"):
        assert "<script" not in client.get(path).text
    assert "was released at" in send(client, "/holds/1/release", reason="again")[1]
    assert "not released" not in shows(world.of("maker"), "/month-end?month=2026-02")


def test_a_move_is_looked_at_and_then_made(world: World) -> None:
    client, number = world.of("operator"), world.person("a03").number
    page = shows(client, f"/tree/{number}")
    assert "1 a01" in page
    assert "a07" in page
    form = {"to": "a02", "since": "2027-01-01T00:00:00Z", "reason": "his wish"}
    assert "a03 : from a01 to a02" in send(client, f"/tree/{number}/move", **form)[1]
    assert "Nothing was moved" in send(
        client, f"/tree/{number}/move", **(form | {"to": "a07", "sure": "1"})
    )[1]  # fmt: skip
    assert send(client, f"/tree/{number}/move", **form, sure="1") == (303, f"/tree/{number}")
    assert "1 a02 " in shows(client, f"/tree/{number}")
    found = client.get("/tree?q=a1").text
    assert re.findall(r">(a\d\d)</a>", found) == [f"a1{n}" for n in range(10)]


def test_support_reads_no_names_anywhere(world: World) -> None:
    client = world.of("support")
    number = world.person("a01").number
    for path in ("/plan", "/tree?q=a", f"/tree/{number}", f"/affiliates/{number}/account"):
        text = client.get(path).text
        for whose in ("a01", "a03", "a04"):
            assert name_of(whose) not in text
            assert secrets_of(whose)[0] not in text
    for path in ("/runs", "/refused", "/audit", "/settlements", "/payments", "/bank", "/exports"):
        assert client.get(path).status_code == 403, path


def test_a_run_that_a_page_starts_is_a_process_of_its_own(world: World) -> None:
    client = world.of("operator")
    held = working(connect(world.url), "root@elsewhere (process 7, run 2026-03-01)", "just now")
    with held:
        said = send(client, "/runs/start", date="2026-03-01")
        assert said[0] == 409
        assert "the book is in use: root@elsewhere (process 7" in said[1]
        assert "root@elsewhere" in shows(client, "/runs")
        assert send(client, "/corrections", affiliate_id="a03", amount="1", currency="USD",
                    reason="x")[0] == 409  # fmt: skip
    place = send(client, "/runs/start", date="2026-03-01")[1]
    last = _ends(client, place)
    assert "$ commission run --date 2026-03-01 --as=the-operator" in last
    assert "files: " in last
    assert "Done." in last
    assert "completed" in last
    assert "writing files" in last  # its stages, from the book
    assert "the-operator (as given by" in shows(client, "/runs/2026-03-01")
    table = client.get("/runs/2026-03-01/files/lines.csv")
    assert table.content == (world.folder / "out/2026-03-01/lines.csv").read_bytes()
    with reading(world.portal.engine) as book:
        assert world.portal.plan(book)


def _ends(client: TestClient, place: str) -> str:
    """The page of what was started, once it has ended; until then it loads itself anew."""
    for _ in range(600):
        response = client.get(place)
        assert response.status_code == 200, place
        said = words(response.text)
        if "[exit " in said:
            assert "refresh" not in response.text
            assert "hx-trigger" not in response.text
            return said
        assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in response.text
        assert 'hx-trigger="every 2s"' in response.text
        time.sleep(0.1)
    pytest.fail(f"{place} has not ended: {said}")


def test_exports_and_closings_are_started_and_then_taken(world: World) -> None:
    maker = world.of("maker")
    export = send(maker, "/exports", table="payouts", format="csv", **{"from": "", "to": ""})[1]
    close = send(maker, "/month-end/close", month="2026-01", trial="1")[1]
    assert "Done." in _ends(maker, export)
    (name,) = re.findall(r'href="/exports/([^"]+)"', maker.get("/exports").text)
    page = maker.get(f"/exports/{name}").text
    (path,) = (world.folder / "out/exports" / name).glob("*.csv")
    assert maker.get(f"/exports/{name}/{path.name}").content == path.read_bytes()
    assert path.name in page
    assert maker.get(f"/exports/{name}/../../../commission.db").status_code == 404
    assert "$ commission close 2026-01 --as=the-maker --dry-run" in _ends(maker, close)


def upload(client: TestClient, path: str, content: bytes, **more: str) -> Any:
    """What is answered to a form with a file; `name` is the file's."""
    file = {"file": (more.pop("name", "sent.csv"), content)}
    return client.post(path, data=_token(client) | more, files=file)


def test_a_files_name_is_one_of_a_file() -> None:
    for said, name in (
        ("C:\\bank\\may.xml", "may.xml"), ("../../etc/passwd", "passwd"), ("a/..", "file"),
        ("", "file"), (".hidden", "hidden"), ("a\0b\n.csv", "a_b_.csv"), ("\udcff.csv", "_.csv"),
        ("€" * 300 + ".csv", "€" * 56 + ".csv"),
    ):  # fmt: skip
        file = file_in({"file": "\udcff\u20ac", "file (name)": said}, "file")
        assert file == File(name, b"\xff\xe2\x82\xac"), said
        with on_disk([file, file]) as paths:
            assert [path.read_bytes() for path in paths] == [file.data, file.data]
        assert not any(path.exists() for path in paths)
    assert file_in({"file": "", "file (name)": "empty.csv"}, "file") is None


def test_what_is_looked_at_is_kept_for_a_while() -> None:
    now = [0]
    uploads, ann, bob = Uploads(lambda: now[0]), Who(STAFF, "ann"), Who(STAFF, "bob")
    large = LookedAt((File("a", bytes(MOST_BYTES // 2 - 1)),), "hash")
    first = uploads.keep(ann, large)
    second = uploads.keep(ann, large)
    assert uploads.found(ann, first) == large
    third = uploads.keep(bob, large)
    for who, name in ((ann, first), (bob, second), (ann, third)):
        with pytest.raises(UsageError, match="is not here any more"):
            uploads.found(who, name)
    assert uploads.found(bob, third) == uploads.found(ann, second) == large
    now[0] = KEPT_SECONDS
    with pytest.raises(UsageError, match="is not here any more"):
        uploads.found(bob, third)


def test_a_banks_file_is_looked_at_and_just_that_is_kept(world: World) -> None:
    maker, checker = world.of("maker"), world.of("checker")
    look = upload(maker, "/bank", STATEMENT.encode(), name="C:\\bank\\may.xml")
    assert "camt.053 of DE02120300000000202051: 1 new entry" in words(look.text)
    assert "1 entry would wait for a person" in words(look.text)
    assert "No entry waits" in shows(maker, "/bank")
    altered = upload(maker, "/bank", STATEMENT.replace("93.00", "94.00").encode(), name="bad.xml")
    assert altered.status_code == 400
    assert "bad.xml:6, Bal: says 94.00, but opening and booked entries come to 93.00" in words(
        altered.text
    )
    for content, more, said in (
        (b"", {}, "no file is chosen"),
        (b"a,b\n1,2\n", {}, "sent.csv: is none of camt"),
        (b"a,b\n1,2\n", {"form": "csv"}, "'csv' is no form of file"),
        (b"\xff\xfe\x00", {"form": "mt940"}, "sent.csv:1"),
        (b"", {"looked_at": "x"}, "is not here any more"),
    ):
        assert said in words(upload(maker, "/bank", content, **more).text), said
    mapping = {"mapping": ("map.toml", b"columns = 3"), "file": ("t.csv", b"a,b\n1,2\n")}
    wrong = maker.post("/bank", data=_token(maker), files=mapping)
    assert wrong.status_code == 400
    assert "map.toml: columns: write [columns] on a line of its own" in words(wrong.text)
    looked_at = {"looked_at": hidden_button(look.text)}
    assert "is not here any more" in send(checker, "/bank", **looked_at)[1]  # it is the maker's

    same = STATEMENT.replace("<Id>2026-7</Id>", "<Id>2026-8</Id>")
    first = {"looked_at": hidden_button(upload(checker, "/bank", same.encode()).text)}
    assert send(checker, "/bank", **first) == (303, "/bank?read=1")
    assert "sent.csv was read" in shows(checker, "/bank?read=1")
    other = send(maker, "/bank", **looked_at)
    assert other[0] == 200
    assert "0 new entries , 1 more known from earlier files" in other[1]
    assert "The book has learned something since" in other[1]
    again = upload(maker, "/bank", same.encode())
    assert "It was read already, at" in words(again.text)
    assert "the-checker (signed in at" in shows(maker, "/audit?what=reconcile")


def test_a_file_of_payees_is_looked_at_without_whole_accounts(world: World) -> None:
    maker = world.of("maker")
    iban, other, wrong = "DE89370400440532013000", "FR1420041010050500013M02606", "DE8937"
    file = (
        "affiliate_id,payee_name,method,iban\n"
        f"a01,{name_of('a01')},sepa,{iban}\na02,Bob,sepa,{wrong}\n"
    )
    unset = upload(maker, "/payees", file.encode(), name="payees.csv")
    assert (unset.status_code, "COMMISSION_BANK_KEY is not set" in unset.text) == (400, True)
    world.portal.environment = {"COMMISSION_BANK_KEY": base64.b64encode(b"k" * 32).decode()}
    pages = []

    def said(response: Any) -> str:
        pages.append(response.text)
        return words(response.text)

    look = upload(maker, "/payees", file.encode(), name="payees.csv")
    assert "2 read = 1 accepted + 0 duplicate + 1 rejected" in said(look)
    assert "a01 sepa DE…3000 Name-a01" in said(look)
    assert "3 iban bad_payee" in said(look)
    assert "no columns" in said(upload(maker, "/payees", b"a,b\n1,2\n"))
    assert "Parquet is not taken here" in said(upload(maker, "/payees", b"x", name="x.PARQUET"))
    assert upload(world.of("checker"), "/payees", file.encode()).status_code == 403
    assert "Nothing is known of where a01 is paid" in shows(maker, "/payees?affiliate=a01")
    key = {"looked_at": hidden_button(look.text)}
    assert send(maker, "/payees", **key) == (303, "/payees?imported=1")
    assert send(maker, "/payees", **key)[0] == 400  # once

    changed = file.replace(iban, other)
    late = upload(maker, "/payees", changed.encode())
    assert "1 account is another than before. Nothing is paid there for 3 business dates" in said(
        late
    )
    assert "another account , before DE…3000" in said(late)
    again = upload(maker, "/payees", changed.encode())
    assert send(maker, "/payees", looked_at=hidden_button(again.text))[0] == 303
    stale = maker.post("/payees", data=_token(maker) | {"looked_at": hidden_button(late.text)})
    assert "The book has learned something since this was looked at" in said(stale)
    assert "1 duplicate + 1 rejected" in said(stale)
    for path in ("/payees?affiliate=a01", "/payees?imported=1", "/audit", "/refused?kind=payees"):
        browser = world.of("auditor") if path.startswith("/refused") else maker
        pages.append(browser.get(path).text)
    assert "sepa FR…2606" in words(pages[-4])
    assert "payees.csv" in words(pages[-3])
    assert [page for page in pages if iban in page or other in page or wrong in page] == []
    # By another process: SQLite loses its locks where this one closes the book's file.
    search = ["grep", "-rlaF", "-e", iban, "-e", other, str(world.folder)]
    found = subprocess.run(search, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "")


def test_a_table_of_rates_is_looked_at_and_imported(world: World) -> None:
    maker, table = world.of("maker"), "date,currency,per_euro\n2026-01-05,USD,{}\n"
    assert "There are none" in shows(maker, "/rates")
    wrong = upload(maker, "/rates", table.format("1,17").encode(), source="our bank")
    assert (wrong.status_code, "sent.csv:2" in words(wrong.text)) == (400, True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rates.csv", table.format("1.17"))
    look = upload(maker, "/rates", packed.getvalue(), name="rates.zip", source="our bank")
    assert "1 read = 1 accepted + 0 duplicate" in words(look.text)
    assert "2026-01-05 USD 1.17 our bank" in words(look.text)
    key = {"looked_at": hidden_button(look.text)}
    other = send(maker, "/rates", **key, source="another")  # so it is not what was shown
    assert (other[0], "this is what comes of it now" in other[1]) == (200, True)
    assert send(maker, "/rates", **key, source="our bank") == (303, "/rates?imported=1")
    assert "Of 2026-01-05: how much of a currency is one euro" in shows(maker, "/rates?imported=1")
    assert "rates.zip was imported" in shows(maker, "/rates?imported=1")
    again = upload(maker, "/rates", table.format("1.18").encode(), source="our bank")
    assert "USD of 2026-01-05 is 1.18 here and 1.17 in the book" in words(again.text)
    assert upload(world.of("checker"), "/rates", b"x").status_code == 403


def test_what_a_bank_said_is_decided(world: World) -> None:
    maker = world.of("maker")
    assert "$7.00 Somebody Else" in shows(maker, "/bank")
    assert send(maker, "/bank/1")[0] == 400
    assert "--reason is empty" in send(maker, "/bank/1", word="ignore")[1]
    assert send(maker, "/bank/1", word="not ours") == (303, "/bank/1")
    assert "not ours at" in shows(maker, "/bank/1")
    assert "No entry waits" in shows(maker, "/bank")


def test_dates_are_computed_anew_and_just_that_is_proposed(world: World) -> None:
    maker, environment = world.of("maker"), dict(world.portal.environment)
    world.portal.environment = environment | {"COMMISSION_PAYOUTS_APPROVAL": "two-person"}
    Path(world.folder / "late.csv").write_text("affiliate_id,referrer_id\na00,a19x\n", "utf-8")
    late = str(world.folder / "late.csv")
    commission("import", "referrals", late, "--database", world.url)
    dates = {"from": "2026-01-31", "to": "2026-01-31"}
    wrong = send(maker, "/true-ups", **(dates | {"to": "31.1."}))
    assert (wrong[0], "--to: '31.1.' is not a day" in wrong[1]) == (400, True)
    place = send(maker, "/true-ups", **dates)[1]
    busy = send(world.of("operator"), "/true-ups", **dates)
    assert (busy[0], f"Wait until that is done: {place}" in busy[1]) == (409, True)
    seen = _becomes(maker, place, "Nothing was changed yet")
    assert "a19x 20.00 0.00 20.00 USD 1 1" in seen
    assert "Propose just this" in seen
    assert "Propose just this" not in shows(world.of("checker"), place)
    assert "--reason is empty" in send(maker, place, reason=" ")[1]
    done = _ends(maker, send(maker, place, reason="the referral came late")[1])
    waits = re.search(r"next: somebody else gives: commission corrections approve (\d+)", done)
    assert waits
    assert "the referral came late" in shows(maker, "/corrections")
    assert send(maker, f"/corrections/{waits[1]}", approve="1")[0] == 403
    assert send(named(world, "omar"), f"/corrections/{waits[1]}", approve="1")[0] == 303
    for last in series.of((), ("2027-01-31",)):  # one more process
        none = send(maker, "/true-ups", **(dates | {"to": last}))[1]
        said = _becomes(maker, none, "not be computed")
        assert f"{last} is after the last completed date" in said


def _becomes(client: TestClient, place: str, said: str) -> str:
    """The page once it says this; until then it loads itself anew."""
    for _ in range(600):
        response = client.get(place)
        assert response.status_code == 200, place
        if said in words(response.text):
            assert "refresh" not in response.headers
            return words(response.text)
        assert response.headers["refresh"] == "3", words(response.text)
        time.sleep(0.1)
    pytest.fail(f"{place} never said {said!r}")
