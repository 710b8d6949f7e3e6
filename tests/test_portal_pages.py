"""What an affiliate reads in the portal: all of his own, right to the cent, and nobody else's."""

import csv
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from html import unescape
from itertools import permutations, product
from pathlib import Path

import pytest
import series
from portal_world import (
    AFFILIATES,
    NOW,
    RUNS,
    World,
    commission,
    line_of,
    name_of,
    referrer_of,
    secrets_of,
    world_at,
)
from starlette.testclient import TestClient

from commission_engine.calendar import day_of
from commission_engine.portal.callings import Callings
from commission_engine.portal.portal import form_token
from commission_engine.publish.ids import statement_id

OWN_PAGES = ("/account", "/statements", "/lines", "/earnings", "/referrals", "/data", "/tokens")


def text_of(page: str) -> str:
    """What a page says, without its marks; a space where one is."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def statement_of(affiliate: str) -> str:
    return statement_id("acme", day_of(date.fromisoformat(RUNS[0])), affiliate)


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content)))


def listed(world: World, *words: str) -> list[dict[str, str]]:
    """What the program says, as JSON."""
    said: list[dict[str, str]] = json.loads(commission(*words, "--json", "--database", world.url))
    return said


def test_the_account_is_what_the_book_says(world: World) -> None:
    (owed,) = listed(world, "balances", "--affiliate", "a01")
    said = text_of(world.of("a01").get("/account").text)
    for name in ("held", "available", "balance"):
        assert f"${owed[name]}" in said
    assert f"Balance as of {RUNS[1]}" in said
    assert "next payday is 2026-02-28, from $5.00 on" in said
    assert "Provisional from 2026-02-01 on" in said
    (payout,) = listed(world, "payouts", "--affiliate", "a01")
    assert f"{RUNS[0]} ${payout['amount']} decided, not paid yet" in said


def test_the_api_says_all_lines_and_statements_of_the_book(world: World) -> None:
    program = world.program_of("a01")
    said, after = [], ""
    while True:
        answer = program.get("/api/v1/lines", params={"after": after} if after else {}).json()
        said += answer["lines"]
        after = answer["next_after"]
        if after is None:
            break
    stored = listed(world, "lines", "--affiliate", "a01", "--limit", "0")
    callings = Callings("acme", "a01", {})
    wanted = {
        (callings.reference(each["line_id"]), each["run_date"], each["commission"], each["gross"],
         each["base_amount"], each["reason"], each["available_on"])
        for each in stored
    }  # fmt: skip
    names = ("reference", "run_date", "commission", "gross", "base_amount", "reason",
             "available_on")  # fmt: skip
    assert {tuple(each[name] for name in names) for each in said} == wanted
    assert len(said) == len(stored) > 20
    (stated,) = program.get("/api/v1/statements").json()["statements"]
    (of_book,) = listed(world, "statements", "--affiliate", "a01")
    assert {key: stated[key] for key in of_book if key != "affiliate_id"} == {
        key: value for key, value in of_book.items() if key != "affiliate_id"
    }


def test_lines_come_page_by_page_and_filtered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commission_engine.portal.lines.A_PAGE", 3)
    client, seen, path = world.of("a01"), [], "/lines"
    while path:
        page = client.get(path).text
        seen += re.findall(r"ln-[0-9a-v]{12}", re.sub(r"<a [^>]*>", "", page))
        found = re.search(r'href="(/lines\?[^"]+)"[^>]*>Older', page)
        path = unescape(found[1]) if found else ""
    stored = listed(world, "lines", "--affiliate", "a01", "--limit", "0")
    assert len(seen) == len(set(seen)) == len(stored)
    first = listed(world, "lines", "--affiliate", "a01", "--level", "2", "--date", RUNS[0])
    query = {"from": RUNS[0], "to": RUNS[0], "level": "2"}
    monkeypatch.setattr("commission_engine.portal.lines.A_PAGE", 50)
    assert client.get("/lines", params=query).text.count("why?") == len(first)
    assert "no such lines" in client.get("/lines", params={"which": "cut"}).text
    for nonsense in ("from=x", "level=1e3", "which=%00", "after=9.9", "after=2026-99-99.1"):
        assert client.get(f"/lines?{nonsense}").status_code == 200


def test_why_is_said_of_every_line_without_anybody_elses_ids(world: World) -> None:
    client = world.of("a01")
    links = re.findall(r'href="(/lines/[^"]+)"', client.get("/lines").text)
    others = [secret for a in AFFILIATES if a != "a01" for secret in secrets_of(a)]
    assert len(links) > 20
    for link in links:
        page = client.get(link)
        said = text_of(page.text)
        assert page.status_code == 200
        assert "The amount" in said
        assert "Gross:" in said
        assert [each for each in others if each in page.text] == []


def test_referrals_are_named_one_level_deep(world: World) -> None:
    page = world.of("a01").get("/referrals").text
    assert {each for each in AFFILIATES if name_of(each) in page} == {"a03", "a04"}
    assert not [each for each in AFFILIATES if each != "a01" and f">{each}<" in page]
    assert page.count("#") >= 2 * 9  # nine people below them, in the list and in the picture
    assert world.of("a19").get("/referrals").text.count("Nobody was referred yet.") == 1


def test_the_chart_has_a_table_that_adds_up(world: World) -> None:
    page = world.of("a01").get("/earnings").text
    assert "<svg" in page
    lines = listed(world, "lines", "--affiliate", "a01", "--date", RUNS[0])
    cents = sum(int(each["commission"].replace(".", "")) for each in lines)
    assert f"2026-01 $41.40 $43.40 $29.25 ${cents // 100}.{cents % 100:02}" in text_of(page)


# -- files


def test_a_statement_comes_as_it_was_published(world: World) -> None:
    name = statement_of("a01")
    published = (world.folder / "out" / RUNS[0] / "statements" / f"{name}.csv").read_bytes()
    answer = world.of("a01").get(f"/statements/{name}/csv")
    assert answer.content == published
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    elsewhere = world_at(world.url, world.folder / "nowhere")
    assert elsewhere.of("a01").get(f"/statements/{name}/csv").content == published
    elsewhere.close()


def test_pages_and_statements_call_everybody_the_same(world: World) -> None:
    """Also with a key of pseudonyms."""
    key = {"COMMISSION_STATEMENTS_KEY": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}
    path = f"/statements/{statement_of('a01')}/html"

    def called(path: str) -> set[str]:
        text = world.of("a01").get(path).text.partition("</style>")
        return set(re.findall(r"#[0-9a-v]{6,}\b", text[2] or text[0]))

    before = called(path)
    world.portal.environment = {**world.portal.environment, **key}
    stated = called(path)
    assert stated
    assert stated.isdisjoint(before)
    assert stated <= called("/referrals")


@pytest.mark.parametrize("form", ["pdf", "html"])
def test_a_statement_is_rendered_as_the_command_renders_it(world: World, form: str) -> None:
    name = statement_of("a01")
    answer = world.of("a01").get(f"/statements/{name}/{form}")
    assert (answer.status_code, answer.headers["content-disposition"]) == (
        200, f'attachment; filename="{name}.{form}"',
    )  # fmt: skip
    words = ("statements", "render", "--affiliate", "a01", "--date", RUNS[0], "--format", form)
    out = world.folder / f"rendered-{form}"
    commission(*words, "--out", str(out), "--database", world.url)
    (made,) = out.rglob(f"*.{form}")
    assert answer.content == made.read_bytes()
    support = world.of("support").get(f"/affiliates/1/statements/{name}/{form}")
    assert support.status_code in (403, 404)


@pytest.mark.parametrize("how", ["changed", "link", "manifest"])
def test_a_file_that_was_changed_is_refused_and_told(world: World, how: str) -> None:
    name, told = statement_of("a01"), list[Mapping[str, str]]()
    world.portal.tell = told.append
    folder = world.folder / "out" / RUNS[0]
    path = folder / "statements" / f"{name}.csv"
    if how == "changed":
        path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    elif how == "link":
        secret = world.folder / "secret"
        path.rename(secret)
        path.symlink_to(secret)
    else:
        manifest = folder / "manifest.json"
        manifest.write_bytes(manifest.read_bytes() + b" ")
    answer = world.of("a01").get(f"/statements/{name}/csv")
    assert answer.status_code == 500
    assert "csv" not in answer.text
    (alarm,) = told
    assert alarm["event"] == "failed"
    assert RUNS[0] in alarm["about"] or name in alarm["about"]
    assert world.portal.doors.happened(1)[0].what == "refused a changed file"


HOSTILE = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/commission.db", "....//....//x",
    "..%5c..%5cx", "/etc/passwd", "%00", "st-20260131-0000000000000000", "C:%5cx", "%s%s%n",
    "st-99999999-0000000000000000", "st-20260131-pgviue5tgf4kmtom%00.csv", "manifest.json",
    "%c0%ae%c0%ae/x", "STATEMENT", "st-20260131", "'", "1 OR 1=1", "%27%20OR%201=1--", "${7*7}",
    "{{7*7}}",
)  # fmt: skip


def test_no_word_of_an_address_leads_out(world: World) -> None:
    client = world.of("a01")
    for text in HOSTILE:
        for path in (f"/statements/{text}", f"/statements/{text}/csv", f"/lines/{RUNS[0]}/{text}",
                     f"/lines/{text}/ln-000000000000", f"/{text}",
                     f"/statements/{statement_of('a01')}/{text}"):  # fmt: skip
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert "There is no such page." in answer.text


def test_ones_own_data_are_all_there(world: World) -> None:
    client = world.of("a01")
    content = client.get("/data.zip").content
    assert client.get("/data.zip").content == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        tables = {name: archive.read(name).decode() for name in archive.namelist()}
    assert rows(tables["profile.csv"])[0]["email"] == secrets_of("a01")[0]
    assert len(rows(tables["lines.csv"])) == len(
        listed(world, "lines", "--affiliate", "a01", "--limit", "0")
    )
    assert [each["called"] for each in rows(tables["referrals.csv"])] == ["Name-a03", "Name-a04"]
    assert [each["amount"] for each in rows(tables["payouts.csv"])] == ["114.05"]
    masked = world.of("support").get(f"/affiliates/{world.person('a01').number}/data.zip").content
    with zipfile.ZipFile(io.BytesIO(masked)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "example.com" not in everything
    assert "Name-" not in everything


def test_support_sees_no_names_and_no_addresses(world: World) -> None:
    number = world.person("a01").number
    support, auditor = world.of("support"), world.of("auditor")
    for path in OWN_PAGES[:-1]:
        page = support.get(f"/affiliates/{number}{path}").text
        assert "Name-" not in page
        assert "@example.com" not in page
        assert name_of("a01") in auditor.get(f"/affiliates/{number}{path}").text
    found = support.get("/affiliates", params={"q": secrets_of("a01")[0]})
    assert found.headers["location"] == f"/affiliates/{number}/account"
    assert "Nobody has" in support.get("/affiliates", params={"q": "nobody"}).text


# -- nobody else's


def objects_of(world: World, whose: str) -> Iterator[str]:
    """The addresses of everything that is an affiliate's alone."""
    number, statement = world.person(whose).number, statement_of(whose)
    reference = Callings("acme", whose, {}).reference(line_of(whose))
    for start in ("", f"/affiliates/{number}"):
        yield f"{start}/statements/{statement}"
        yield f"{start}/statements/{statement}/csv"
        yield f"{start}/lines/{RUNS[0]}/{reference}"
    yield from (f"/affiliates/{number}{path}" for path in OWN_PAGES)
    yield f"/affiliates/{number}/data.zip"
    yield f"/affiliates/{number}"


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAMPLE = 47
"""Of so many questions one is asked; `make series` asks them all."""


def test_nobody_sees_anything_of_anybody_else(world: World) -> None:
    """All pairs of twenty affiliates, every object, every method: what is somebody else's looks
    like what does not exist."""
    objects = {whose: list(objects_of(world, whose)) for whose in AFFILIATES}
    cookies = {reader: world.of(reader).cookies[world.portal.cookie] for reader in AFFILIATES}
    asked = [
        (reader, method, path)
        for reader, whose in permutations(AFFILIATES, 2)
        for path, method in product(objects[whose], METHODS)
    ][:: series.of(SAMPLE, 1)]
    answers = world.answers((method, path, cookies[reader]) for reader, method, path in asked)
    ((_, missing),) = world.answers([("GET", "/no/such/page", cookies["a00"])])
    mine, leaks = form_token(cookies["a00"]), []
    for (reader, method, path), (status, page) in zip(asked, answers, strict=True):
        page = page.replace(form_token(cookies[reader]), mine).replace(f"{reader}, aff", "a00, aff")
        if (status, page) != (404, missing):
            leaks.append(f"{reader}: {method} {path}: {status}")
    assert leaks == []
    assert len({method for _, method, _ in asked}) == len(METHODS)


def test_what_a_page_says_is_the_readers_own(world: World) -> None:
    """No address, no order and, but for direct referrals, no name of anybody else on any page."""
    for reader in series.of(AFFILIATES[:10:2], AFFILIATES):
        client, program = world.of(reader), world.program_of(reader)
        pages = [client.get(path).text for path in OWN_PAGES]
        pages += [program.get(f"/api/v1/{name}").text for name in
                  ("account", "statements", "lines", "payouts", "referrals")]  # fmt: skip
        with zipfile.ZipFile(io.BytesIO(client.get("/data.zip").content)) as archive:
            pages += [archive.read(name).decode() for name in archive.namelist()]
        said = "\n".join(pages)
        for other in AFFILIATES:
            if other == reader:
                continue
            assert [each for each in secrets_of(other) if each in said] == [], (reader, other)
            assert (name_of(other) in said) <= (referrer_of(other) == reader), (reader, other)


def test_a_programme_sees_nothing_of_another(
    world: World, portal_book: Path, tmp_path: Path
) -> None:
    """Two programmes with the same ids: a session of one is nobody's in the other."""
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copyfile(portal_book / "commission.db", folder / "other.db")
    url = f"sqlite:///{folder / 'other.db'}"
    other = world_at(url, folder)
    client = world.of("a01")
    stranger = TestClient(other.app(), base_url="http://127.0.0.1:8800", follow_redirects=False)
    stranger.cookies.set("commission", client.cookies["commission"])
    assert client.get("/account").status_code == 200
    assert stranger.get("/account").status_code == 303
    assert os.path.exists(folder / "other.portal.db")
    assert other.now == NOW
    other.close()
