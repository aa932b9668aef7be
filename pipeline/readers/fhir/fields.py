"""Our fields of a FHIR note: which elements are its type, date, author, encounter and domain.

Decides which of several elements is taken, and what else is offered for a `--map`. Refuses to judge values; that
is `validation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.readers.fhir.elements import (
    Resource,
    as_list,
    as_object,
    concept,
    moment_of,
    objects,
    text_in,
    type_of,
)
from pipeline.readers.fhir.history import Note
from pipeline.readers.field_mapping import FIELDS


def columns(note: Note, text: str) -> dict[str, Any]:
    """Our fields, and what else a `--map` may want: category, title, description, custodian, status."""
    resource = note.resource
    context = _context(resource)
    encounters = [resource.get("encounter"), *as_list(context.get("encounter")), *_r5_encounters(resource)]
    authors = as_list(resource.get("author")) or as_list(resource.get("performer"))
    kinds = (resource.get("type"), resource.get("code"))
    return {
        "resource_id": note.id,
        "patient_id": note.patient.id if note.patient else None,
        "document_type": next(filter(None, map(concept, kinds)), None)
        or _category(resource)
        or _code(*kinds),
        "text_content": text,
        "date": _date(resource, context),
        "domain": concept(context.get("practiceSetting")),
        "author": "; ".join(_displays(authors)) or None,
        "encounter_id": next(filter(None, map(_short, encounters)), None),
        "resource_type": type_of(resource),
        "status": text_in(resource.get("status")),
        "doc_status": text_in(resource.get("docStatus")),
        "type_code": _code(*kinds),
        "category": _category(resource),
        "title": resource.get("title"),
        "description": resource.get("description"),
        "custodian": as_object(resource.get("custodian")).get("display"),
    }


def offered(note: Note) -> dict[str, str]:
    """What a `--map` may name besides: ids, and the dates that were not taken."""
    resource = note.resource
    period = as_object(_context(resource).get("period"))
    event = next(iter(objects(resource.get("event"))), {})
    period = period or as_object(resource.get("effectivePeriod")) or as_object(event.get("period"))
    names = {name: value for name, value in note.names().items() if name not in FIELDS}
    given = {
        **names,
        "registered": resource.get("date") or resource.get("issued"),
        "period": period.get("start"),
        "period_end": period.get("end"),
    }
    return {name: value for name, value in given.items() if isinstance(value, str) and value}


def _context(resource: Resource) -> Resource:
    """In R5 `context` names encounters, and what it held stands in the resource itself."""
    context = resource.get("context")
    if isinstance(context, Mapping):
        return context
    return {name: resource[name] for name in ("period", "practiceSetting") if name in resource}


def _r5_encounters(resource: Resource) -> list[Any]:
    context = resource.get("context")
    return context if isinstance(context, list) else []


def _date(resource: Resource, context: Resource) -> Any:
    """When the patient was cared for, not when the document was registered (docs/decisions/fhir-dates.md)."""
    registered = resource.get("date")
    if type_of(resource) != "DocumentReference":
        return (
            resource.get("effectiveDateTime")
            or as_object(resource.get("effectivePeriod")).get("start")
            or registered
            or resource.get("issued")
        )
    period = as_object(context.get("period"))
    start, end = text_in(period.get("start")), text_in(period.get("end"))
    said = text_in(registered)
    if not (start or end):
        created = _created(resource)
        earlier = said is None or (created is not None and _day(created) < _day(said))
        return created if created and earlier else registered
    first, last = _day(start or end or ""), _day(end or start or "")
    if said is None or not _day(said) or _day(said) < first:
        return start or end
    return registered if _day(said) <= f"{last}~" else end or start


def _day(value: str) -> str:
    return value[:10] if moment_of(value) else ""


def _created(resource: Resource) -> str | None:
    attachments = [as_object(content.get("attachment")) for content in objects(resource.get("content"))]
    created = [value for one in attachments if (value := text_in(one.get("creation"))) and moment_of(value)]
    return min(created, default=None)


def _category(resource: Resource) -> str | None:
    return next(filter(None, map(concept, as_list(resource.get("category")))), None)


def _code(*concepts: Any) -> str | None:
    """The code of a type: LOINC's, which all know, before a vendor's own."""
    codings = [coding for one in concepts for coding in objects(as_object(one).get("coding"))]
    codings.sort(key=lambda coding: coding.get("system") != "http://loinc.org")
    return next(filter(None, (text_in(coding.get("code")) for coding in codings)), None)


def _displays(references: list[Any]) -> Iterator[str]:
    for reference in references:
        name = text_in(as_object(reference).get("display")) or _short(reference)
        if name:
            yield name


def _short(reference: Any) -> str | None:
    """The id that a reference to anything but the patient names: it is shown, never compared."""
    element = as_object(reference)
    target = text_in(element.get("reference"))
    if target and not target.startswith("#"):
        return target.split("/_history/")[0].removeprefix("urn:uuid:").rsplit("/", 1)[-1] or None
    return text_in(as_object(element.get("identifier")).get("value"))
