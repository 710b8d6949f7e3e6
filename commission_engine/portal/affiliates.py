"""The staff's way to an affiliate: by his exact id or address, never a list of all."""

from starlette.responses import RedirectResponse, Response

from commission_engine.book.readers import people_with, person_of
from commission_engine.portal.access import LOOKS, Asked, Page
from commission_engine.portal.render import page


def affiliates(asked: Asked) -> Response:
    wanted = asked.query("q").strip()
    if not wanted:
        return page(asked, "affiliates.html", wanted="", found=[])
    known = person_of(asked.book, wanted)
    found = [known] if known else list(people_with(asked.book, wanted)) if "@" in wanted else []
    if len(found) == 1:
        return RedirectResponse(f"/affiliates/{found[0].number}/account", 303)
    return page(asked, "affiliates.html", wanted=wanted, found=found)


PAGES = (Page("/affiliates", affiliates, LOOKS, menu="Affiliates"),)
