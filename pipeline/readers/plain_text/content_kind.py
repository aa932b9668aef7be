"""Whether what stands where a note's text should be is plain text, whichever reader found it.

Decides by the text alone. HTML becomes the text that a reader sees; characters written as entities (&lt;) or HL7
escapes (\\.br\\) become what they stand for. What cannot be quoted as it stands (RTF, XML, PDF, base64, ...) is refused
by its kind, with the cure. Ordinary notes ("BP <130", "<3 weeks", "HR=72") are handed on untouched and cost a search
for a few characters. Refuses to know where the text came from.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from dataclasses import dataclass
from html.entities import name2codepoint
from urllib.parse import unquote

from pipeline.readers.plain_text.html import text_of

BEGINNING_CHARACTERS = 64
"""Nearly every note has its first word and its first blank within these."""

LOOKED_AT_CHARACTERS = 4096
"""Encodings are judged by as much of a text's beginning."""


@dataclass(frozen=True, slots=True)
class NotText:
    """Why a text is no note: a fixed reason, and what to do."""

    reason: str
    remedy: str


_TAGS = (
    "html|head|body|title|meta|div|p|span|br|hr|table|thead|tbody|tr|td|th|ul|ol|li|dl|dt|dd|h[1-6]|b|i|u|em|strong|s|"
    "font|center|pre|code|sup|sub|small|big|a|img|style|script|section|article|header|footer|main|nav|blockquote|label|"
    "del|ins|strike|tt|caption|tfoot|colgroup|noscript"
)
_TAG_END = r"(?:\s+[\w:-]+\s*=[^<>]*|\s*)/?>"
_TAG = re.compile(rf"<(?P<end>/?)(?P<name>{_TAGS}){_TAG_END}", re.IGNORECASE)
_FIRST_IS_HTML = re.compile(
    rf"[\ufeff\s]*(?:<!doctype\s+html\b|<!--|</?(?:{_TAGS}){_TAG_END})", re.IGNORECASE
)
_HTML_BEHIND_XML = re.compile(r"<!doctype\s+html\b|<(?:\w+:)?html[\s>]", re.IGNORECASE)
_XML = re.compile(r"[\ufeff\s]*(?:<\?xml\b|<!DOCTYPE\b|<(?:[\w-]+:)?[A-Za-z][\w-]*\s[^<>]*\bxmlns\b)")
_ROOT = re.compile(r"\s*<(?P<name>[A-Za-z_][\w:.-]*)(?:\s[^<>]*)?>")
_TAG_OR_LINE_END = re.compile(r"(<[^<>]*>)|\r\n|\n|\r")
_NAMES = "|".join(name for name in (*name2codepoint, "apos") if not name.isupper())
_ENTITY = re.compile(rf"&(?:{_NAMES}|#[0-9]{{1,7}}|#[xX][0-9a-fA-F]{{1,6}});")
_ENTITY_ROUNDS_MAX = 3
_RTF = re.compile(r"\{\\+rtf[1\d\\]")
_HL7_SEGMENT = re.compile(
    r"[\ufeff\s\x0b]*(?:(?:MSH|FHS|BHS)([^\w\s])[^\w\s]{3,5}\1|(?:PID|PV1|EVN|ORC|OBR|OBX|TXA|NTE)\|[^|\n]*\|[^|\n]*\|)"
)
_HL7_ESCAPES = {".br": "\n", "F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
_HL7_ESCAPE = re.compile(r"\\(\.br|[FSTRE])\\")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_MIME = re.compile(r"^Content-Transfer-Encoding:", re.IGNORECASE | re.MULTILINE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_MIXED = re.compile(r"[0-9+/=]|[a-z][A-Z]")
_HEX = re.compile(r"(?:0x|\\x)?(?:[0-9A-Fa-f]{2}){8,}")
_QUOTED = re.compile(r"=(?:[0-9A-F]{2}|\r?\n|\Z)")
_QUOTED_SURELY = re.compile(r"=(?:3D|0[AD9]|20\r?\n|[CD][0-9A-F]=[89AB][0-9A-F]|E[0-9A-F]=[89AB][0-9A-F])")
_QUOTED_MAYBE = re.compile(r"=(?:\r?\n|[89A-F][0-9A-F])")
_PERCENT = re.compile(r"%(?:20|0A|0D|2C|3A)", re.IGNORECASE)

_SLIPPED = "\u0a00"
"""What a line end becomes then; no character of any script."""

BASE64_CHARACTERS_MIN = 12
BINARY_CHARACTERS_MIN = 200
"""As much text without a blank is no prose, whatever it decodes to."""

WINDOWS_BYTES_MIN = 32
"""Nearly any few bytes are characters of WINDOWS-1252; as many with a blank among them are words."""

_EXPORT = "Export it as plain text"

_BINARY = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an Office file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"II*\0", "an image"),
    (b"MM\0*", "an image"),
    (b"GIF8", "an image"),
    (b"\x1f\x8b", "compressed with gzip"),
)


def binary_kind(raw: bytes) -> str | None:
    """What the bytes of a document inside a record are by their beginning, "a PDF"; None for what may be text."""
    return next((kind for start, kind in _BINARY if raw.startswith(start)), None)


def as_plain_text(text: str) -> str | NotText:
    """The text of a note as a reader sees it, or why there is none. Never raises."""
    if "<" in text:
        found = _marked_up(text)
        if found is not None:
            return found
    if refusal := _encoded(text):
        return refusal
    if "&" in text and _ENTITY.search(text):
        return _without_entities(text)
    if "\\" in text and "\\.br\\" in text:
        return _HL7_ESCAPE.sub(lambda escape: _HL7_ESCAPES[escape[1]], text)
    return text


def _marked_up(text: str) -> str | NotText | None:
    """The text of HTML, a refusal of XML; None where neither is in it."""
    if _FIRST_IS_HTML.match(text):
        return _seen(text)
    if _XML.match(text) or "<?xml" in text or _is_element(text):
        if _HTML_BEHIND_XML.search(text, 0, LOOKED_AT_CHARACTERS):
            return _seen(text)
        return _xml(text)
    if ("</" in text or "<br" in text or "<BR" in text or "<p>" in text) and _is_html(text):
        return _seen(_TAG_OR_LINE_END.sub(lambda found: found[1] or "<br>", text))
    return None


def _seen(markup: str) -> str:
    """What a reader sees of it. Its own line ends are none where it begins with a tag."""
    text = text_of(markup)
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def _is_element(text: str) -> bool:
    root = _ROOT.match(text)
    return root is not None and text.rstrip().endswith(f"</{root['name']}>")


def _is_html(text: str) -> bool:
    """A line break, or an element that is opened and closed: one tag alone may be a word in angle brackets."""
    opened: set[str] = set()
    for tag in _TAG.finditer(_CODE.sub("", text) if "`" in text else text):
        name = tag["name"].lower()
        if name in {"br", "hr"} or (tag["end"] and name in opened):
            return True
        opened.add(name)
    return False


def _xml(text: str) -> NotText:
    head = text[:LOOKED_AT_CHARACTERS]
    if "ClinicalDocument" in head:
        return NotText(
            "The text is a CDA document.",
            "Write each document to a file of its own (.xml) and read that folder: CDA is read as a file.",
        )
    return NotText(
        "The text is XML.",
        f"{_EXPORT}, or take the text out of its elements: with all its tags it cannot be quoted.",
    )


def _encoded(text: str) -> NotText | None:
    """Why the text is no plain text; None where it is."""
    start = text[:BEGINNING_CHARACTERS].lstrip("\ufeff\x0b\x1c \t\r\n")[:1]
    if start in _BY_FIRST and (found := _BY_FIRST[start](text)):
        return found
    if _SLIPPED in text:
        return NotText(
            "The text's UTF-16 slips by one byte.",
            "A byte was lost or added on the way, so that what follows became other characters: export it again.",
        )
    if "\\" in text and _RTF.search(text):
        return NotText(
            "The text is RTF.", f"{_EXPORT}, or convert it: unrtf --text, or soffice --convert-to txt."
        )
    if "Content-Transfer-Encoding:" in text and _MIME.search(text, 0, LOOKED_AT_CHARACTERS):
        return NotText("The text is a MIME message.", f"{_EXPORT}: decode it with an e-mail library first.")
    if "=" in text and _is_quoted_printable(text):
        return NotText(
            "The text is quoted-printable.", f"{_EXPORT}, or decode it: python -m quopri -d FILE > decoded."
        )
    if " " in text[:BEGINNING_CHARACTERS].strip():
        return None
    head = text[:LOOKED_AT_CHARACTERS].strip()
    return None if " " in head or len(head) < BASE64_CHARACTERS_MIN else _unspaced(text)


def _hl7(text: str) -> NotText | None:
    if _HL7_SEGMENT.match(text):
        return NotText(
            "The text is an HL7 v2 message.",
            "Write the messages to a file (.hl7) and read that, or export the text of its OBX segments.",
        )
    return None


def _pdf(text: str) -> NotText | None:
    if text.lstrip("\ufeff \t\r\n").startswith("%PDF-"):
        return NotText("The text is a PDF.", "Convert it to text first, for example with pdftotext.")
    return None


def _json(text: str) -> NotText | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) or (isinstance(found, list) and found and isinstance(found[0], dict)):
        return NotText(
            "The text is JSON.",
            "Take the text out of it: for a value inside an object --map text_content=COLUMN.KEY, where COLUMN is "
            "written as an object and not as text.",
        )
    return None


_BY_FIRST = {
    **dict.fromkeys("MFBPEOTN", _hl7),
    "%": _pdf,
    "{": _json,
    "[": _json,
}


def _is_quoted_printable(text: str) -> bool:
    """Every = begins an escape, and some do what a note's own = does not."""
    head = text[:LOOKED_AT_CHARACTERS]
    if not _QUOTED_SURELY.search(head) and len(_QUOTED_MAYBE.findall(head)) < 2:
        return False
    return head.rstrip("=").count("=") <= len(_QUOTED.findall(head)) + 1


def _unspaced(text: str) -> NotText | None:
    """A text without blanks between its words."""
    if text.lstrip().startswith("data:") and ";base64," in text[:200]:
        return _BASE64_TEXT
    joined = "".join(text.split())
    head = joined[:LOOKED_AT_CHARACTERS]
    if _HEX.fullmatch(joined) and not joined.isdigit():
        decoded = bytes.fromhex(re.sub(r"^(0x|\\x)", "", head)[: LOOKED_AT_CHARACTERS // 2 * 2 - 2])
        return _HEX_TEXT if _readable(decoded) or len(joined) >= BINARY_CHARACTERS_MIN else None
    if len(_PERCENT.findall(head)) > 1 and " " in unquote(head):
        return NotText("The text is percent-encoded.", f"{_EXPORT}: decode %20 and its kin first.")
    if not _BASE64.fullmatch(joined) or not _MIXED.search(head):
        return None  # one long word is none
    try:
        decoded = base64.b64decode(head[: len(head) // 4 * 4].replace("-", "+").replace("_", "/"))
    except (binascii.Error, ValueError):
        return None
    return _BASE64_TEXT if _readable(decoded) or len(joined) >= BINARY_CHARACTERS_MIN else None


_BASE64_TEXT = NotText("The text is base64.", f"{_EXPORT}, or decode the column first: base64 -d.")
_HEX_TEXT = NotText("The text is written as hexadecimal numbers.", f"{_EXPORT}: decode the column first.")


def _readable(raw: bytes) -> bool:
    """Whether bytes are words in some encoding, or a document of a known kind."""
    if binary_kind(raw):
        return True
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or raw[1::2].count(0) > len(raw) // 3:
        text = raw.decode("utf-16", "ignore")
    elif not (text := _utf8(raw)) and len(raw) >= WINDOWS_BYTES_MIN and b" " in raw:
        text = raw.decode("cp1252", "replace")
    return _is_words(text)


def _is_words(text: str) -> bool:
    return any(map(str.isalpha, text)) and all(
        character.isprintable() or character in "\r\n\t\ufeff" for character in text
    )


def _utf8(raw: bytes) -> str:
    """The text, "" where it is none; a character that the piece cuts off at its end is left out."""
    for cut in range(4):
        try:
            return raw[: len(raw) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return ""


def _without_entities(text: str) -> str | NotText:
    """Entities become characters, also those that were escaped twice; the tags that may come to light as well."""
    for _ in range(_ENTITY_ROUNDS_MAX):
        decoded = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
        if decoded == text:
            break
        text = decoded
    if "<" in text:
        return _marked_up(text) or text
    return text
