"""Signing in by another's word: OpenID Connect, authorization code with PKCE.

The issuer of the settings is asked directly, never by way of the browser, for whoever the code
stands for. Its word is taken for an address that it says is verified; who has that address, the
book says.
"""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.responses import RedirectResponse, Response

from commission_engine.book import staff
from commission_engine.book.doors import AFFILIATE, NOBODY, STAFF, Who
from commission_engine.book.readers import people_with
from commission_engine.doorway import OIDC_SECRET
from commission_engine.portal.access import EVERYBODY, Asked, Nothing, Page
from commission_engine.portal.entry import link_secret, signed_in
from commission_engine.portal.gate import set_cookie
from commission_engine.portal.limits import LINKS
from commission_engine.portal.portal import Portal, new_secret, packed, same
from commission_engine.portal.render import page
from commission_engine.problems import CommissionError, TryAgain

WAY_SECONDS = 600
"""So long somebody has for signing in there."""
SECONDS = 10
LARGEST = 1 << 20
LEEWAY = 60
"""Seconds by which the clocks of the two servers may differ."""
ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA")
SCOPE = "openid email"


class Doubtful(CommissionError):
    """What the issuer has said does not hold."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where the issuer is asked for what."""

    issuer: str
    authorization: str
    token: str
    keys: str


def issuer_of(portal: Portal) -> Issuer:
    """By what it says of itself."""
    named = portal.doorway.oidc_issuer
    said = _asked(f"{named.rstrip('/')}/.well-known/openid-configuration")
    if said.get("issuer") != named:
        raise Doubtful(f"{named} calls itself {said.get('issuer')!r}", "Set portal.oidc_issuer so.")
    names = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
    try:
        return Issuer(*(str(said[name]) for name in names))
    except KeyError as why:
        raise Doubtful(f"{named} does not say its {why}") from why


def start(asked: Asked) -> Response:
    """To the issuer, with what only this browser can bring back."""
    portal = asked.portal
    if not portal.doorway.oidc_issuer:
        raise Nothing
    there = issuer_of(portal)
    way = {"state": new_secret(), "nonce": new_secret(), "verifier": new_secret() + new_secret()}
    secret, now = new_secret(), portal.clock()
    portal.doors.begin(secret, NOBODY, now, now + WAY_SECONDS, data=packed(way),
                       instead=asked.visitor.secret)  # fmt: skip
    question = {
        "response_type": "code",
        "client_id": portal.doorway.oidc_client_id,
        "redirect_uri": _back(portal),
        "scope": SCOPE,
        "state": way["state"],
        "nonce": way["nonce"],
        "code_challenge": challenge(way["verifier"]),
        "code_challenge_method": "S256",
    }
    mark = "&" if "?" in there.authorization else "?"
    response = RedirectResponse(f"{there.authorization}{mark}{urlencode(question)}", 303)
    set_cookie(portal, response, secret)
    return response


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def back(asked: Asked) -> Response:
    """From the issuer, with a code: whom it stands for is signed in, if the book knows him."""
    portal, way = asked.portal, _way(asked)
    if way is None or not asked.query("code") or not same(asked.query("state"), way["state"]):
        return _refused(asked, "another way back than the one there")
    try:
        claims = _claims(portal, asked.query("code"), way)
    except Doubtful as why:
        return _refused(asked, why.message)
    email = str(claims.get("email", ""))
    if claims.get("email_verified") is not True or "@" not in email:
        return _refused(asked, "no verified address")
    found = [Who(STAFF, each.name) for each in staff.accounts_of(asked.book, email)]
    found += [Who(AFFILIATE, each.affiliate_id) for each in people_with(asked.book, email)]
    if not found:
        return _refused(asked, "an address that nobody has")
    if len(found) == 1:
        return signed_in(asked, found[0], "signed in by OpenID Connect")
    choices = [(each.id, link_secret(portal, each)) for each in found]
    return page(asked, "choose.html", choices=choices)


def _way(asked: Asked) -> Mapping[str, str] | None:
    """What `start` gave this browser; good once."""
    if asked.visitor.who != NOBODY or not asked.visitor.data:
        return None
    asked.portal.doors.end(asked.visitor.secret)
    found: Mapping[str, str] = json.loads(asked.visitor.data)
    return found


def _refused(asked: Asked, why: str) -> Response:
    asked.portal.note(NOBODY, "sign-in refused", why)
    return page(asked, "refused.html", status=403)


def _back(portal: Portal) -> str:
    return f"{portal.url}/sign-in/oidc/back"


def _claims(portal: Portal, code: str, way: Mapping[str, str]) -> Mapping[str, Any]:
    """What the issuer says of whoever the code stands for, its signature and all proved."""
    there = issuer_of(portal)
    client, secret = portal.doorway.oidc_client_id, portal.environment.get(OIDC_SECRET, "")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _back(portal),
        "client_id": client,
        "code_verifier": way["verifier"],
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if secret:
        pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    said = _asked(there.token, urlencode(form).encode(), headers)
    try:
        keys = KeySet.import_key_set(_asked(there.keys))  # type: ignore[arg-type]
        token = jwt.decode(str(said.get("id_token", "")), keys, algorithms=list(ALGORITHMS))
        rules = jwt.JWTClaimsRegistry(
            now=portal.clock(),
            leeway=LEEWAY,
            iss={"essential": True, "value": there.issuer},
            aud={"essential": True, "value": client},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": way["nonce"]},
        )
        rules.validate(token.claims)
    except (JoseError, ValueError, KeyError, TypeError) as why:
        raise Doubtful(f"the issuer's word does not hold: {type(why).__name__}") from why
    claims: Mapping[str, Any] = token.claims
    return claims


def _asked(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What a server answers with, which has to be a JSON object."""
    request = urllib.request.Request(  # noqa: S310 (the settings allow https, and http to loopback)
        url, body, {"Accept": "application/json", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            said = json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as why:
        raise Doubtful(f"the issuer answered {why.code}") from why
    except OSError as why:
        raise TryAgain("the issuer cannot be reached", "Try once more in a minute.") from why
    except ValueError as why:
        raise Doubtful("the issuer's answer is not JSON") from why
    if not isinstance(said, dict):
        raise Doubtful("the issuer's answer is not an object")
    return said


PAGES = (
    Page("/sign-in/oidc", start, EVERYBODY, limit=LINKS),
    Page("/sign-in/oidc/back", back, EVERYBODY, limit=LINKS),
)
