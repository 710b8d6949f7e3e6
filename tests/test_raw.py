"""A refused row is kept byte for byte, whatever it is, and shown without pretending."""

import doctest

from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine import raw
from commission_engine.raw import as_bytes, kept, shown


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(), st.text().map(str.encode), st.text("\U0010ff00\U0010ffff\x00a").map(str.encode)
    )
)
def test_every_row_comes_back_as_it_was(data: bytes) -> None:
    text = kept(data)
    assert as_bytes(text) == data
    assert "\x00" not in text
    assert text.encode().decode() == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x10FEFF)))
def test_a_row_that_is_text_is_kept_as_it_is(text: str) -> None:
    without_nul = text.replace("\x00", "")
    assert kept(without_nul.encode()) == without_nul == shown(kept(without_nul.encode()))


def test_the_examples_run() -> None:
    assert doctest.testmod(raw).failed == 0
