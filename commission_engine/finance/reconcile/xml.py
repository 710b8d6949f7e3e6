"""XML of a bank as plain elements with their lines; whatever could do harm refuses the file.

A document type is refused at its first character, so there are no entities of its own: none to
expand, none to fetch. Size, depth and the number of elements are bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from commission_engine.finance.reconcile.entry import Source

DEEPEST = 64
MOST_ELEMENTS = 5_000_000
MOST_ATTRIBUTES = 16


@dataclass(slots=True)
class Element:
    """An element: its name without the namespace, which is beside it; its text without the spaces
    around it."""

    name: str
    space: str
    line: int
    attributes: dict[str, str]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, path: str) -> Iterator["Element"]:
        """Every element at a path such as "NtryDtls/TxDtls", below this one."""
        first, _, rest = path.partition("/")
        for child in self.children:
            if child.name == first:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def one(self, *paths: str) -> "Element | None":
        """The first element at the first of these paths that has one."""
        return next((found for path in paths for found in self.all(path)), None)

    def said(self, *paths: str) -> str:
        """The text at the first of these paths that has one; "" where none has."""
        return next((found.text for path in paths for found in self.all(path) if found.text), "")


class _Builder:
    def __init__(self, source: Source, parser: expat.XMLParserType) -> None:
        self.source, self.parser = source, parser
        self.root: Element | None = None
        self.open: list[Element] = []
        self.texts: list[str] = []
        self.count = 0

    def refuse(self, what: str) -> Exception:
        return self.source.refuse(
            self.parser.CurrentLineNumber, "", what, "No bank sends that; find out who made it."
        )

    def doctype(self, *_: object) -> None:
        raise self.refuse("a document type (<!DOCTYPE) is not read")

    def entity(self, *_: object) -> int:
        raise self.refuse("an entity is not read")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= DEEPEST or self.count > MOST_ELEMENTS:
            raise self.refuse("elements nested too deeply, or too many of them")
        if len(attributes) > MOST_ATTRIBUTES:
            raise self.refuse("too many attributes")
        space, _, local = name.rpartition(" ")
        made = Element(local, space, self.parser.CurrentLineNumber, attributes)
        self._text()
        if self.open:
            self.open[-1].children.append(made)
        else:
            self.root = made
        self.open.append(made)

    def end(self, _: str) -> None:
        self._text()
        self.open.pop()

    def data(self, text: str) -> None:
        self.texts.append(text)

    def _text(self) -> None:
        said = "".join(self.texts).strip()
        if said and self.open:
            self.open[-1].text += said
        self.texts.clear()


def parse(source: Source) -> Element:
    """The root element; FileRefused for what is not XML, or more than plain elements."""
    parser = expat.ParserCreate(namespace_separator=" ")
    builder = _Builder(source, parser)
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.EntityDeclHandler = builder.entity
    parser.UnparsedEntityDeclHandler = builder.entity
    parser.ExternalEntityRefHandler = builder.entity
    parser.SkippedEntityHandler = builder.entity
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(source.data, True)
    except expat.ExpatError as why:
        raise source.refuse(
            why.lineno,
            f"column {why.offset + 1}",
            f"this is not XML: {expat.ErrorString(why.code)}",
            "Get the file from the bank again.",
        ) from why
    except (LookupError, ValueError) as why:  # an encoding that there is not
        raise source.refuse(1, "", f"this is not XML: {why}", "Get it again.") from why
    assert builder.root is not None
    return builder.root
