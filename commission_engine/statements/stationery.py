"""With what a run's HTML and PDF documents are made: head, logo, key and programs.

The book keeps it as text, so that the documents can be made again to the same bytes when settings
have changed; where programs have, it is known why they cannot.
"""

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from commission_engine import __version__
from commission_engine.letterhead import KEY, Letterhead
from commission_engine.statements.fonts import missing_extra
from commission_engine.statements.look import Look

FOR_HTML = ("babel",)
FOR_PDF = (
    "typst", "fonttools", "fontpkg-noto-sans", "fontpkg-noto-sans-arabic", "justmytype-intl-cjk",
)  # fmt: skip
_HERE = Path(__file__).parent
_FORMS = ("page.css", "page.typ", "locale/*/LC_MESSAGES/*.po")


@dataclass(frozen=True, slots=True)
class Stationery:
    """`key` names the key of pseudonyms without telling it ("": there is none), `made_with` are
    programs with their versions."""

    look: Look
    key: str
    made_with: Mapping[str, str]

    @property
    def text(self) -> str:
        """As the book keeps it."""
        return json.dumps(
            {
                "head": asdict(self.look.head),
                "logo": base64.b64encode(self.look.logo).decode(),
                "suffix": self.look.suffix,
                "key": self.key,
                "made_with": dict(self.made_with),
            },
            sort_keys=True,
            ensure_ascii=False,
        )

    @classmethod
    def read(cls, text: str) -> "Stationery":
        """What `text` gave."""
        said = json.loads(text)
        look = Look(Letterhead(**said["head"]), base64.b64decode(said["logo"]), said["suffix"])
        return cls(look, said["key"], said["made_with"])

    def unlike(self, key: bytes, formats: Collection[str]) -> str:
        """Why documents in these formats cannot be made again here; "" where they can."""
        if self.key != named(key):
            return f"{KEY} is another one than the run had"
        here = programs(formats)
        for name, was in self.made_with.items():
            if name in here and here[name] != was:
                return f"they were made with {name} {was}, here is {here[name]}"
        return ""


def stationery(look: Look, key: bytes, formats: Collection[str]) -> Stationery:
    """What documents in these formats are made with now; UsageError where an extra is missing."""
    return Stationery(look, named(key), programs(formats))


def named(key: bytes) -> str:
    """A key's name, from which the key cannot be found."""
    return sha256(b"key of pseudonyms " + key).hexdigest()[:16] if key else ""


def programs(formats: Collection[str]) -> Mapping[str, str]:
    """The programs that documents in these formats are made with, and their versions."""
    packages = (*FOR_HTML, *(FOR_PDF if "pdf" in formats else ()))
    return {
        "commission-engine": __version__,
        "form": _forms(),
        **{each: _version(each) for each in packages},
    }


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as why:
        raise missing_extra(f"the package {package}, which makes PDF files,") from why


@cache
def _forms() -> str:
    """A hash of what is in documents beside what they say."""
    found = sha256()
    for pattern in _FORMS:
        for path in sorted(_HERE.glob(pattern)):
            content = path.read_bytes()
            found.update(f"{path.relative_to(_HERE).as_posix()} {len(content)} ".encode() + content)
    return found.hexdigest()[:12]
