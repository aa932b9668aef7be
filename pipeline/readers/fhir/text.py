"""The text of FHIR resources: attachments, narratives, and the sections of a document under their titles.

Decides what of a resource a reader would see, in which order, and what is named as left out. Refuses what is no text
by its kind. Knows no patients and no ids; what an attachment's address leads to is handed in.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from pipeline.readers.fhir.elements import Resource, as_object, codes, concept, objects, text_in
from pipeline.readers.plain_text.charsets import codec_of, decode
from pipeline.readers.plain_text.content_kind import NotText, as_plain_text, binary_kind
from pipeline.readers.plain_text.html import heading, text_of
from pipeline.text.section_titles import is_of_the_family

MARKUP_TYPES = ("text/html", "application/xhtml+xml", "application/xhtml", "text/xhtml")
NOT_PLAIN_TYPES = ("text/rtf", "text/richtext", "text/xml", "text/css", "text/calendar", "text/vcard")
"""Text by name, markup in fact: read as plain text they would be indexed with all their codes."""

EMPTY_REASONS = {
    "nilknown": "Nil known",
    "notasked": "Not asked",
    "withheld": "Information withheld",
    "unavailable": "Unavailable",
    "notstarted": "Not started",
    "closed": "Closed",
}
"""http://terminology.hl7.org/CodeSystem/list-empty-reason, in words. "Nil known" is a finding, not a gap."""


@dataclass(frozen=True, slots=True)
class UnreadableAttachment:
    """Why an attachment is no text, and what to do."""

    reason: str
    remedy: str


OfAnother = Callable[[Resource], bool]
"""Whether the focus of a section is another person than the document's patient."""
Content = Callable[[str], "Resource | UnreadableAttachment"]
"""The Binary that an address leads to, or why there is none."""


def attachment_text(attachment: Resource, content: Content) -> str | UnreadableAttachment:
    """The text of an Attachment: its own data, or that of the Binary it names."""
    said = text_in(attachment.get("contentType"))
    encoded = attachment.get("data")
    address = text_in(attachment.get("url"))
    if not isinstance(encoded, str) and address and _may_be_text(said):
        if address.startswith("data:"):
            said, encoded = _data_url(address, said)
        else:
            binary = content(address)
            if isinstance(binary, UnreadableAttachment):
                return binary
            encoded = binary.get("data")
            said = _said_of_both(text_in(binary.get("contentType")), said)
    if not _may_be_text(said):
        return _not_text(f"It is {_type(said)[:80]}.")
    if not isinstance(encoded, str) or not encoded.strip():
        return UnreadableAttachment(
            "The attachment's content is not in the file.",
            "The attachment is empty. Export with content inlined as base64 data (Binary resources resolved).",
        )
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", said or "", re.IGNORECASE)
    return _decoded(encoded, charset[1] if charset else None, markup=_type(said) in MARKUP_TYPES)


def _type(said: str | None) -> str:
    return (said or "").partition(";")[0].strip().lower()


def _may_be_text(said: str | None) -> bool:
    kind = _type(said)
    return not kind or kind in MARKUP_TYPES or (kind.startswith("text/") and kind not in NOT_PLAIN_TYPES)


def _said_of_both(binary: str | None, attachment: str | None) -> str | None:
    """The Binary knows best what its bytes are; a character set may stand with the link only."""
    if binary is None:
        return attachment
    if _type(binary) == _type(attachment) and "charset" not in binary.lower():
        return attachment
    return binary


def _data_url(address: str, said: str | None) -> tuple[str | None, str]:
    head, _, body = address.removeprefix("data:").partition(",")
    if head.lower().endswith(";base64"):
        return head[: -len(";base64")] or said, body
    return head or said, base64.b64encode(unquote_to_bytes(body)).decode()


def _not_text(what: str) -> UnreadableAttachment:
    return UnreadableAttachment(
        "The attachment is not text.",
        f"{what} Convert it to text first; text/plain, text/html and application/xhtml+xml are read.",
    )


def _marked(raw: bytes) -> str | None:
    """The character set that a byte order mark names."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def _decoded(encoded: str, charset: str | None, *, markup: bool) -> str | UnreadableAttachment:
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return UnreadableAttachment(
            "The attachment's data is not valid base64.", "Export the resource again."
        )
    if kind := binary_kind(raw):
        return _not_text(f"It is {kind}, whatever its contentType says.")
    codec = codec_of(charset or _marked(raw) or "utf-8")
    if codec is None:
        return UnreadableAttachment(
            "The attachment names an unknown character set.",
            f"{(charset or '')[:40]} is none of UTF-8, UTF-16, UTF-32, ISO 8859, windows-125x, KOI8, Mac, GB, Big5, "
            "Shift JIS, EUC. Correct contentType at the source.",
        )
    try:
        text = decode(raw, codec)
    except UnicodeDecodeError as error:
        return UnreadableAttachment(
            "The attachment's bytes are not in the character set it names.",
            f"Byte {error.start + 1} does not fit {charset or 'utf-8'}. Correct contentType, for example "
            "text/plain; charset=windows-1252.",
        )
    if "\0" in text:
        return UnreadableAttachment(
            "The attachment is not text.", "It holds zero bytes. Correct contentType or convert it."
        )
    if text.lstrip().startswith("{\\rtf"):
        return _not_text("It is RTF, whatever its contentType says.")
    if markup:
        return text_of(text)
    plain = as_plain_text(text)
    return UnreadableAttachment(plain.reason, plain.remedy) if isinstance(plain, NotText) else plain


def narrative(element: Resource) -> str:
    """What a reader would see of the element; nothing where its export says that it is empty."""
    said = as_object(element.get("text"))
    div = said.get("div")
    return text_of(div) if isinstance(div, str) and said.get("status") != "empty" else ""


def same_words(text: str) -> str:
    """The words of a text, so that one text can be found in another whatever stands between them."""
    return " ".join(["", *re.findall(r"\w+", text.casefold()), ""])


def document_text(composition: Resource, left_out: list[str], of_another: OfAnother) -> str:
    """A document's sections under their titles, before them its narrative where they do not repeat it.

    Sections that say nothing in words, or are about someone else, are named in `left_out`.
    """
    sections = "\n\n".join(_sections(composition.get("section"), left_out, of_another))
    summary = "" if any(one.endswith(_OF_ANOTHER) for one in left_out) else narrative(composition)
    if summary and same_words(summary) not in same_words(sections):
        return f"{summary}\n\n{sections}".strip()
    return sections


_OF_ANOTHER = ": about another person"
"""The narrative of the whole document would tell of both."""


def _sections(sections: Any, left_out: list[str], of_another: OfAnother) -> Iterator[str]:
    """In the order of the document, subsections under their own titles, however deep."""
    waiting = [iter(objects(sections))]
    pending: list[str] = []  # titles above that have had no text of their own
    while waiting:
        section = next(waiting[-1], None)
        if section is None:
            waiting.pop()
            if pending:
                pending.pop()
            continue
        title = text_in(section.get("title")) or concept(section.get("code")) or ""
        if (
            section.get("focus")
            and not is_of_the_family(title, codes(section.get("code")))
            and of_another(section)
        ):
            left_out.append(f"section {title or 'without a title'}{_OF_ANOTHER}")
            continue
        said = _said(section, title, left_out)
        below = objects(section.get("section"))
        if said:
            yield from filter(None, pending)
            pending = ["" for _ in pending]
            yield f"{heading(title)}\n{_without_title(title, said)}".strip()
        if below:
            waiting.append(iter(below))
            pending.append("" if said or not title else heading(title))


def _without_title(title: str, said: str) -> str:
    """A narrative often begins with the title of its section."""
    first, _, rest = said.partition("\n")
    return rest.lstrip("\n") if title and rest and same_words(first) == same_words(title) else said


def _said(section: Resource, title: str, left_out: list[str]) -> str:
    name = f"section {title}" if title else "a section without a title"
    if section.get("modifierExtension"):
        left_out.append(f"{name}: an extension changes its meaning")
        return ""
    text = narrative(section)
    if text:
        return text
    reason = section.get("emptyReason")
    if reason:
        return concept(reason) or next(
            (EMPTY_REASONS[code] for code in codes(reason) if code in EMPTY_REASONS), ""
        )
    if section.get("entry"):
        left_out.append(f"{name}: entries without text")
    return ""


def report_text(report: Resource, seen: str, texts: list[str]) -> str:
    """What a report says besides its texts: conclusion, coded conclusion and narrative (`seen`), each where no text has
    its words. "" where they add nothing."""
    findings = (
        ("Conclusion", text_in(report.get("conclusion")) or ""),
        ("Coded conclusion", "; ".join(_coded(report))),
        ("Narrative", seen),
    )
    said_there = [(title, said) for title, said in findings if said and said not in texts]
    known = [same_words(text) for text in texts] if said_there else []
    added: list[str] = []
    for title, said in said_there:
        words = same_words(said)
        if any(words in there for there in known):
            continue
        known.append(words)
        added.append(f"{heading(title)}\n{said}")
    return "\n\n".join(added)


def _coded(report: Resource) -> Iterator[str]:
    for one in (*objects(report.get("conclusionCode")), *objects(report.get("codedDiagnosis"))):
        said = concept(one) or next(iter(codes(one)), None)
        if said:
            yield said
