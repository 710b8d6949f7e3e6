"""What is secret is sealed: AES-256-GCM, with keys that only the environment has.

COMMISSION_BANK_KEY holds one key or several with commas between them, each 32 bytes in base 64. The
first one seals, any of them opens. What is sealed is bound to its place (`bound_to`): copied to
another one it does not open.
"""

import base64
import binascii
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from commission_engine.debtor import KEY
from commission_engine.problems import CommissionError, UsageError

BYTES = 32
_NONCE = 12
_HOW = "Make one with: head -c 32 /dev/urandom | base64"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text that says nothing without the key of this name."""

    key_name: str
    sealed: str


class Keys:
    """The keys of the environment, by name: the beginning of a hash of theirs."""

    def __init__(self, keys: Mapping[str, bytes], first: str) -> None:
        self._keys = keys
        self.first = first
        """The name of the key that seals."""

    def __repr__(self) -> str:
        return f"Keys({', '.join(self._keys)})"  # never a key

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Keys":
        """UsageError where there is none, or one is no key."""
        _cipher_of(b"\x00" * BYTES)
        texts = [text.strip() for text in environment.get(KEY, "").split(",")]
        if texts == [""]:
            raise UsageError(f"{KEY} is not set: account details are kept sealed", _HOW)
        keys = {}
        for place, text in enumerate(texts, 1):
            try:
                key = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if len(key) != BYTES:
                raise UsageError(f"{KEY}: key {place} is not {BYTES} bytes in base 64", _HOW)
            keys[_name_of(key)] = key
        return cls(keys, next(iter(keys)))

    def seal(self, content: bytes, bound_to: str) -> Sealed:
        nonce = os.urandom(_NONCE)
        cipher = _cipher_of(self._keys[self.first])
        made: bytes = cipher.encrypt(nonce, zlib.compress(content, 9), bound_to.encode())
        return Sealed(self.first, base64.b64encode(nonce + made).decode())

    def opens(self, key_name: str) -> bool:
        return key_name in self._keys

    def open(self, what: Sealed, bound_to: str) -> bytes:
        """UsageError without its key, CommissionError for what is not as it was sealed."""
        from cryptography.exceptions import InvalidTag

        if not self.opens(what.key_name):
            raise UsageError(
                f"{bound_to}: sealed with the key {what.key_name}, which {KEY} does not hold",
                f"Add that key to {KEY}, after a comma; `commission payees rotate` seals all anew.",
            )
        try:
            whole = base64.b64decode(what.sealed, validate=True)
            cipher = _cipher_of(self._keys[what.key_name])
            return zlib.decompress(
                cipher.decrypt(whole[:_NONCE], whole[_NONCE:], bound_to.encode())
            )
        except (InvalidTag, ValueError, zlib.error) as why:
            raise CommissionError(
                f"{bound_to}: what is sealed there was altered, or belongs elsewhere",
                "Pay nothing by it. Look at `commission verify`, and at a backup.",
            ) from why


def _name_of(key: bytes) -> str:
    return sha256(b"the name of " + key).hexdigest()[:8]


def _cipher_of(key: bytes):  # type: ignore[no-untyped-def]
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ModuleNotFoundError as why:
        raise lacking() from why
    return AESGCM(key)


def lacking() -> UsageError:
    """The libraries of this part are not installed."""
    return UsageError(
        "what judges and seals bank details is not installed",
        "Install the extra: pip install 'commission-engine[bank]'.",
    )
