"""Notes in FHIR R4 resources: attachments of DocumentReference, reports of DiagnosticReport, text of Composition.

Decides which part of a resource is the note and which elements are its patient, type, date, author and encounter.
Resources that carry no note (Patient, Observation, ...) are passed over. A retracted resource is refused: a note that
was entered in error must not be found. Links are not followed: what is not in the file is refused with a reason.
Elements: https://hl7.org/fhir/R4/documentreference.html, diagnosticreport.html, composition.html.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pipeline.indexing.read.found import Found, Refused
from pipeline.indexing.read.markup import text_of

Resource: TypeAlias = Mapping[str, Any]

NOTE_RESOURCES = ("DocumentReference", "DiagnosticReport", "Composition")
MARKUP_TYPES = ("text/html", "application/xhtml+xml", "text/xhtml")
NOT_PLAIN_TYPES = ("text/rtf", "text/richtext", "text/xml", "text/css", "text/calendar", "text/vcard")
"""Text by name, markup in fact: read as plain text they would be indexed with all their codes."""

Outcome: TypeAlias = Found | Refused


def is_resource(columns: Mapping[str, Any]) -> bool:
    return isinstance(columns.get("resourceType"), str)


def notes(resource: Resource, position: str) -> Iterator[Outcome]:
    """The notes of a resource or, one level down, of a Bundle's entries; none where its type carries no note."""
    kind = resource.get("resourceType")
    if kind == "Bundle":
        for number, entry in enumerate(_dicts(resource.get("entry")), 1):
            yield from notes(_dict(entry.get("resource")), f"{position}, entry {number}")
    elif kind in NOTE_RESOURCES:
        if resource.get("status") == "entered-in-error":
            yield _refused(
                resource,
                position,
                "The note was entered in error.",
                "Its status says so, so it is not indexed, and a stored version of it is removed. Nothing to do, "
                "unless the status is wrong at the source.",
                withdrawn=True,
            )
        elif kind == "Composition":
            yield _composition(resource, position)
        else:
            yield from _attachments(resource, position)


def _attachments(resource: Resource, position: str) -> Iterator[Outcome]:
    """Each attachment that is text is a note: `id` where there is one, else `id#1`, `id#2`, ... in the file's order.

    FHIR means several attachments of a DocumentReference to be the same document in other formats: one with the text
    of an earlier one is left out, and so is one that is no text where another is. `left_out` in the metadata says so.
    A report none of whose forms is text is read from its conclusion, or else from its narrative.
    """
    if resource["resourceType"] == "DocumentReference":
        attachments = [_dict(content.get("attachment")) for content in _dicts(resource.get("content"))]
    else:
        attachments = _dicts(resource.get("presentedForm"))
    texts: list[tuple[int, str]] = []
    refused: list[tuple[int, _Unreadable]] = []
    for number, attachment in enumerate(attachments, 1):
        text = _text(attachment)
        if isinstance(text, _Unreadable):
            refused.append((number, text))
        else:
            texts.append((number, text))
    if not texts and resource["resourceType"] == "DiagnosticReport":
        if text := resource.get("conclusion") or _narrative(resource):
            left_out = "; ".join(_left_out(refused))
            yield Found(position, _columns(resource, text, left_out=left_out), note=True)
            return
        if not attachments:
            return  # results without a report: its observations are no note
    if not attachments:
        refused.append((1, _Unreadable("The resource has no attachment.", "Export it with its content.")))
    if not texts:
        for number, problem in refused:
            at = f"{position}, attachment {number}" if len(attachments) > 1 else position
            yield _refused(resource, at, problem.reason, problem.remedy)
        return
    yield from _readable(resource, position, texts, refused)


def _readable(
    resource: Resource, position: str, texts: list[tuple[int, str]], refused: list[tuple[int, _Unreadable]]
) -> Iterator[Found]:
    kept: dict[str, tuple[int, str]] = {}
    left_out = _left_out(refused)
    for number, text in texts:
        first, _ = kept.setdefault(" ".join(text.split()), (number, text))
        if first != number:
            left_out.append(f"attachment {number}: the text of attachment {first}")
    for number, text in kept.values():
        columns = _columns(resource, text, left_out="; ".join(left_out))
        if len(kept) > 1:
            columns["resource_id"] = f"{columns['resource_id']}#{number}"
        yield Found(position, columns, note=True)


def _left_out(refused: list[tuple[int, _Unreadable]]) -> list[str]:
    return [f"attachment {number}: {problem.reason}" for number, problem in refused]


@dataclass(frozen=True, slots=True)
class _Unreadable:
    reason: str
    remedy: str


def _text(attachment: Resource) -> str | _Unreadable:
    content_type, _, parameters = str(attachment.get("contentType") or "").lower().partition(";")
    content_type = content_type.strip()
    markup = content_type in MARKUP_TYPES
    plain = content_type.startswith("text/") and content_type not in NOT_PLAIN_TYPES
    if content_type and not markup and not plain:
        return _Unreadable(
            "The attachment is not text.",
            f"It is {content_type[:80]}. Convert it to text first; text/plain, text/html and application/xhtml+xml "
            "are read.",
        )
    encoded = attachment.get("data")
    if not isinstance(encoded, str):
        where = "is a link" if attachment.get("url") else "is empty"
        return _Unreadable(
            "The attachment's content is not in the file.",
            f"The attachment {where}. Export with content inlined as base64 data (Binary resources resolved).",
        )
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters)
    return _decoded(encoded, charset[1] if charset else "utf-8", markup=markup)


def _decoded(encoded: str, charset: str, *, markup: bool) -> str | _Unreadable:
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
        text = raw.decode(charset).removeprefix("\ufeff")
    except (binascii.Error, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            return _Unreadable(
                "The attachment's bytes are not in the character set it names.",
                f"Byte {error.start + 1} does not fit {charset}. Correct contentType, for example "
                "text/plain; charset=windows-1252.",
            )
        return _Unreadable("The attachment's data is not valid base64.", "Export the resource again.")
    except LookupError:
        return _Unreadable(
            "The attachment names an unknown character set.",
            f"{charset[:40]} is not known; correct contentType.",
        )
    if "\0" in text:
        return _Unreadable(
            "The attachment is not text.", "It holds zero bytes. Correct contentType or convert it."
        )
    if text.lstrip().startswith("{\\rtf"):
        return _Unreadable(
            "The attachment is not text.",
            "It is RTF, whatever its contentType says. Convert it to text first.",
        )
    return (
        text_of(text) if markup or re.match(r"\s*<(!doctype html|html|div)\b", text, re.IGNORECASE) else text
    )


def _composition(resource: Resource, position: str) -> Outcome:
    text = "\n\n".join(_sections(resource.get("section"), 0))
    narrative = _narrative(resource)
    if narrative and _words(narrative) not in _words(text):  # often the narrative repeats the sections
        text = f"{narrative}\n\n{text}".strip()
    if not text:
        return _refused(
            resource,
            position,
            "The Composition has no text.",
            "Export it with the narrative of its sections.",
        )
    return Found(position, _columns(resource, text), note=True)


SECTION_DEPTH_MAX = 20


def _sections(sections: Any, depth: int) -> Iterator[str]:
    """Headings and texts in the order of the document, subsections under their own."""
    if depth > SECTION_DEPTH_MAX:
        return
    for section in _dicts(sections):
        text = _narrative(section)
        below = list(_sections(section.get("section"), depth + 1))
        title = section.get("title")
        if title and (text or below):
            yield f"{title}\n{text}" if text else str(title)
        elif text:
            yield text
        yield from below


def _narrative(element: Resource) -> str:
    """What a reader would see of the element; nothing where its export says that it is empty."""
    narrative = _dict(element.get("text"))
    div = narrative.get("div")
    return text_of(div) if isinstance(div, str) and narrative.get("status") != "empty" else ""


def _words(text: str) -> str:
    return " ".join(["", *re.findall(r"\w+", text.casefold()), ""])


def _columns(resource: Resource, text: Any, *, left_out: str = "") -> dict[str, Any]:
    """Our fields, and beside them what a `--map` may want: category, title, description, custodian, status."""
    context = _dict(resource.get("context"))
    encounters = [resource.get("encounter"), *_list(context.get("encounter"))]
    authors = _list(resource.get("author")) or _list(resource.get("performer"))
    return {
        "resource_id": resource.get("id"),
        "patient_id": _reference(resource.get("subject")),
        "document_type": _concept(resource.get("type"))
        or _concept(resource.get("code"))
        or _category(resource),
        "text_content": text,
        "date": _date(resource, context),
        "domain": _concept(context.get("practiceSetting")),
        "author": "; ".join(_displays(authors)) or None,
        "encounter_id": next(filter(None, map(_reference, encounters)), None),
        "resource_type": resource["resourceType"],
        "status": resource.get("status"),
        "type_code": _code(resource.get("type")) or _code(resource.get("code")),
        "category": _category(resource),
        "title": resource.get("title"),
        "description": resource.get("description"),
        "custodian": _dict(resource.get("custodian")).get("display"),
        "left_out": left_out or None,
    }


def _date(resource: Resource, context: Resource) -> Any:
    return (
        resource.get("date")
        or resource.get("effectiveDateTime")
        or _dict(resource.get("effectivePeriod")).get("start")
        or resource.get("issued")
        or _dict(context.get("period")).get("start")
    )


def _category(resource: Resource) -> str | None:
    return next(filter(None, map(_concept, _list(resource.get("category")))), None)


def _concept(concept: Any) -> str | None:
    """A CodeableConcept in words: its text, else the first display of its codings."""
    element = _dict(concept)
    displays = [coding.get("display") for coding in _dicts(element.get("coding"))]
    return next((word for word in (element.get("text"), *displays) if isinstance(word, str) and word), None)


def _code(concept: Any) -> str | None:
    codes = [coding.get("code") for coding in _dicts(_dict(concept).get("coding"))]
    return next((code for code in codes if isinstance(code, str) and code), None)


def _displays(references: list[Any]) -> Iterator[str]:
    for reference in references:
        name = _dict(reference).get("display") or _reference(reference)
        if isinstance(name, str):
            yield name


def _reference(reference: Any) -> str | None:
    """The id that a Reference names: "Patient/7", "urn:uuid:7", "https://host/fhir/Patient/7/_history/2" and
    "Patient?identifier=system|7" all give "7"; without any of these the identifier's value."""
    element = _dict(reference)
    target = element.get("reference")
    if isinstance(target, str) and target and not target.startswith("#"):
        target = target.split("/_history/")[0]
        if "?" in target:
            return re.split(r"[|=]", target)[-1] or None
        return target.removeprefix("urn:uuid:").removeprefix("urn:oid:").rsplit("/", 1)[-1] or None
    value = _dict(element.get("identifier")).get("value")
    return value if isinstance(value, str) else None


def _refused(
    resource: Resource, position: str, reason: str, remedy: str, *, withdrawn: bool = False
) -> Refused:
    resource_id = resource.get("id")
    known = (resource_id.strip() or None) if isinstance(resource_id, str) else None
    return Refused(position, reason, remedy, resource_id=known, withdrawn=withdrawn)


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [element for element in _list(value) if isinstance(element, Mapping)]
