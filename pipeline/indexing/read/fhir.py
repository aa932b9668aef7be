"""Notes in FHIR R4 resources: attachments of DocumentReference, reports of DiagnosticReport, text of Composition.

Decides which part of a resource is the note, which elements are its id, patient, type, date, author and encounter, and
what its source has taken back: entered in error, cancelled, superseded, replaced, deleted. Such a note must not be
found. Resources that carry no note (Patient, Observation, ...) are passed over. A link is followed within its Bundle or
folder only; what is not there is refused with a reason.
Elements: https://hl7.org/fhir/R4/documentreference.html, diagnosticreport.html, composition.html.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline.indexing.mapping import FIELDS, REQUIRED_FIELDS
from pipeline.indexing.read.faults import fault
from pipeline.indexing.read.fhir_bundles import (
    NOTE_RESOURCES,
    Bundle,
    is_entry,
    newer,
    resources_of,
)
from pipeline.indexing.read.fhir_elements import (
    Resource,
    as_list,
    as_object,
    codes,
    concept,
    identifier,
    instant,
    objects,
    text_in,
    type_of,
    version,
)
from pipeline.indexing.read.fhir_references import (
    Entry,
    NoPatient,
    Patient,
    base_of,
    literal,
    patient_of,
    real_uuid,
)
from pipeline.indexing.read.fhir_text import (
    Unreadable,
    attachment_text,
    document_text,
    narrative,
    report_text,
)
from pipeline.indexing.read.found import Authority, Found, Refused
from pipeline.records import NoteVersion

__all__ = ["NOTE_RESOURCES", "FhirRun", "Pending", "is_resource", "notes"]

Outcome: TypeAlias = Found | Refused

NESTED_MAX = 10
"""Bundles within Bundles that are read."""

STATES_MAX = 200_000
"""Notes whose last version is remembered in one run, about 60 MB at most."""

_BY_ITS_STATUS = (
    "Its status says so, so it is not indexed, and a stored version of it is removed. Nothing to do, unless the status "
    "is wrong at the source."
)
_BY_ANOTHER = "A note of the input replaces it, so it is not indexed, and a stored version of it is removed."
GONE = {
    "entered-in-error": ("The note was entered in error.", _BY_ITS_STATUS),
    "cancelled": ("The report was cancelled.", _BY_ITS_STATUS),
    "deprecated": ("The note was superseded.", _BY_ITS_STATUS),
    "replaced": ("The note was replaced.", _BY_ANOTHER),
    "deleted": (
        "The note was deleted at its source.",
        "The source reports the deletion, so a stored version of it is removed. Nothing to do.",
    ),
}
"""Why a note must not be found, and what to do. `superseded` is not among them: Synthea, for one, calls every note but
the last so, and replaces none of them. It is left out where its replacement is known, and cited with its status."""

_SAME = {"aborted": "cancelled", "soft-deleted": "deleted"}


class Pending(Exception):
    """A resource can be judged better when more has come: of its own file or, with `elsewhere`, of another."""

    def __init__(self, *, elsewhere: bool = False) -> None:
        super().__init__()
        self.elsewhere = elsewhere


def is_resource(found: Found) -> bool:
    """Whether a record is a FHIR resource, or an entry of a Bundle."""
    columns = found.columns
    return found.bundle is not None or isinstance(columns.get("resourceType"), str) or is_entry(columns)


def missing(found: Found, fields: Mapping[str, Any]) -> Refused | None:
    """Why a resource without one of our fields is no note, with the columns that FHIR offers instead."""
    if "resource_type" not in found.columns or not found.note:
        return None
    lacking = next((name for name in REQUIRED_FIELDS if name not in fields), None)
    if lacking is None:
        return None
    columns = {**found.columns, **found.offered}
    offered = [name for name, value in columns.items() if value and name not in {*FIELDS, "left_out"}]
    default = "" if lacking in {"resource_id", "patient_id"} else f", or --default {lacking}=VALUE"
    resource_id = fields.get("resource_id")
    return Refused(
        found.position,
        f"{lacking} is missing.",
        f"The resource says nothing of it. It offers {', '.join(offered)}: --map {lacking}=COLUMN{default}.",
        resource_id=resource_id if isinstance(resource_id, str) else None,
        about=lacking,
        version=found.version,
    )


@dataclass(frozen=True, slots=True)
class _State:
    """What this run last saw of a note."""

    version: NoteVersion | None
    bundle: int
    gone: str = ""
    """Why it must not be found: "" while it stands, "replaced" for good, else until a newer version."""


@dataclass(slots=True)
class FhirRun:
    """What the resources of one run say of each other: versions, withdrawals, replacements."""

    states: OrderedDict[str, _State] = field(default_factory=OrderedDict)
    servers: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Of notes whose address names a server."""

    def put(self, note: str, state: _State) -> None:
        self.states[note] = state
        self.states.move_to_end(note)
        if len(self.states) > STATES_MAX:
            self.states.popitem(last=False)

    def other_server(self, note: str, base: str | None) -> str | None:
        """The other server that has a note of the same type and id in this run."""
        if base is None:
            return None
        first = self.servers.setdefault(note, base)
        if len(self.servers) > STATES_MAX:
            self.servers.popitem(last=False)
        return first if first != base else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a resource stands: in which Bundle, under which address, with which request."""

    run: FhirRun
    bundle: Bundle
    entry: Mapping[str, Any] = field(default_factory=dict)
    final: bool = True
    """Nothing more will come that the resource might name."""
    folder: bool = False
    """The Bundle is none, but what lies beside the resource in its folder."""

    @property
    def resource(self) -> Resource:
        """Of an entry that still holds it."""
        return as_object(self.entry.get("resource"))

    @property
    def full_url(self) -> str | None:
        return text_in(self.entry.get("fullUrl"))

    @property
    def base(self) -> str | None:
        """The server that gave the resource its id."""
        return base_of(self.full_url) or self.bundle.base

    def lookup(self, target: str) -> Entry | None:
        """A subject or a note of the same Bundle."""
        if self.folder:
            return None
        base = self.base
        found = self.bundle.find(target, base)
        named = literal(target)
        decided = named is not None and named.base in {None, base}
        if found is None and not decided and not self.final and not self.bundle.complete:
            raise Pending
        return found

    def content(self, address: str, resource: Resource, patient: str | None) -> Resource | Unreadable:
        """The Binary that an attachment's address leads to."""
        if address.startswith("#"):
            held = [one for one in objects(resource.get("contained")) if one.get("id") == address[1:]]
            return held[0] if held else _no_content("The resource contains nothing under that name.")
        base = self.base
        named = literal(address)
        if self.folder and named and named.base:  # a bulk export names its own server, if any
            subject = literal(text_in(as_object(resource.get("subject")).get("reference")) or "")
            if subject is not None and subject.base == named.base:
                address = named.relative
        found = self.bundle.find(address, base)
        if found is None:
            wanted = named is not None or address.lower().startswith("urn:") or not self.folder
            if wanted and not self.final and not self.bundle.complete:
                raise Pending(elsewhere=self.folder)
            return _no_content(_where(address, folder=self.folder))
        if type_of(found.resource) != "Binary":
            return _no_content("The attachment is a link to a resource that is no Binary.")
        return _of_this_patient(found, self, patient)


def _where(address: str, *, folder: bool) -> str:
    named = literal(address)
    if (named is not None and named.type == "Binary") or address.lower().startswith("urn:"):
        where = "among the files of its folder" if folder else "in its Bundle"
        return f"The attachment is a link to a Binary, and no single Binary {where} answers to it."
    return "The attachment is a link that leads out of the input."


def _no_content(why: str) -> Unreadable:
    return Unreadable(
        "The attachment's content is not in the file.",
        f"{why} Export with content inlined as base64 data, or with the Binary resources in the same Bundle or folder.",
    )


def _of_this_patient(found: Entry, place: _Place, patient: str | None) -> Resource | Unreadable:
    binary = found.resource
    if binary.get("passedOver"):
        return Unreadable(
            "The attachment's content was passed over.",
            "Its Binary is in the input, but the Binaries before it fill the memory that is kept for them. Split the "
            "input so that notes and their Binaries stand nearer together, or inline the content.",
        )
    guarded = text_in(as_object(binary.get("securityContext")).get("reference"))
    named = literal(guarded) if guarded else None
    if named is not None and named.type == "Patient" and patient is not None:
        owner = patient_of({"subject": {"reference": guarded}}, found.base or place.base, lambda _: None)
        if owner is not None and owner.id != patient:
            return Unreadable(
                "The attachment's content belongs to another patient.",
                f"The Binary's securityContext names patient {owner.id}. Correct the link at the source.",
            )
    return binary


def notes(
    resource: Resource,
    position: str,
    *,
    run: FhirRun | None = None,
    bundle: Bundle | None = None,
    entry: Mapping[str, Any] | None = None,
    final: bool = True,
    folder: bool = False,
) -> list[Outcome]:
    """The notes of a resource, or of all that a Bundle holds; none where its type carries no note.

    `bundle` and `entry` say where a resource of a streamed Bundle stands; with `folder`, `bundle` is what lies beside
    it. Raises Pending, unless `final`, where the resource names one that has not come. Whatever else is wrong with a
    resource is a Refused: it costs no other.
    """
    if entry is None and is_entry(resource) and not type_of(resource):
        entry, resource = resource, as_object(resource.get("resource"))
    place = _Place(run or FhirRun(), bundle or Bundle(), entry or {}, final, folder)
    return list(_outcomes(resource, position, place, 0))


def _outcomes(resource: Resource, position: str, place: _Place, depth: int) -> Iterator[Outcome]:
    kind = type_of(resource)
    if kind in {"Bundle", "Parameters"}:
        if depth == NESTED_MAX:
            yield Refused(
                position,
                "Bundles are nested too deeply.",
                f"More than {NESTED_MAX} levels are not read. Export the resources in one Bundle.",
            )
            return
        for number, (inner, at) in enumerate(_inner(resource, place), 1):
            word = "entry" if kind == "Bundle" else "parameter"
            yield from _outcomes(inner, f"{position}, {word} {number}", at, depth + 1)
        return
    if kind not in NOTE_RESOURCES and "request" not in place.entry:
        return
    try:
        yield from list(_note(resource, kind, position, place))
    except Pending:
        raise
    except Exception as error:  # noqa: BLE001  logged by its class: one odd resource costs no other
        yield fault(position, error, resource_id=_relative_id(resource, place.full_url, place.bundle))


def _inner(resource: Resource, place: _Place) -> Iterator[tuple[Resource, _Place]]:
    if type_of(resource) == "Parameters":
        for returned in resources_of(resource):
            yield returned, _Place(place.run, Bundle.whole({}))
        return
    bundle = Bundle.whole(resource)
    places = [_Place(place.run, bundle, entry) for entry in objects(resource.get("entry"))]
    for at in places:
        held = at.resource
        if held.get("relatesTo") and type_of(held) in NOTE_RESOURCES and _taken_back(held) is None:
            list(_Note.of(held, at).replaces())  # so that what it replaces is not taken up before it
    yield from ((at.resource, at) for at in places)


def _note(resource: Resource, kind: str, position: str, place: _Place) -> Iterator[Outcome]:
    request = as_object(place.entry.get("request"))
    if str(request.get("method") or "").upper() == "DELETE":
        yield from _deleted(text_in(request.get("url")) or "", resource, position, place)
        return
    if kind not in NOTE_RESOURCES:
        return
    note = _Note.of(resource, place)
    try:
        note.patient = patient_of(resource, place.base, place.lookup)
    except NoPatient as found:
        yield note.refused(
            position,
            "The note's subject is no patient.",
            f"It is {found.kind}. Only notes about one patient are indexed; correct subject if the note is about a "
            "patient.",
            about="patient_id",
            withdrawn=True,  # an earlier version of this reader took its id for a patient's
        )
        return
    if (why := _taken_back(resource)) is not None:
        yield from note.withdrawn(position, why)
        return
    if resource.get("modifierExtension") or resource.get("implicitRules"):
        yield note.refused(
            position,
            "The resource carries an extension that may change its meaning.",
            "Its modifierExtension or implicitRules are not known here, and FHIR forbids to read on without knowing "
            "them. Remove them at the source if they change nothing.",
        )
        return
    if resource.get("status") == "superseded" and not place.final:
        raise Pending  # what replaces it may be the next one
    yield from note.standing(position, list(_texts(note, position)))
    yield from note.replaced(position)


def _taken_back(resource: Resource) -> str | None:
    """The status by which the source took the note back."""
    extensions = objects(as_object(resource.get("meta")).get("extension"))
    deleted = [
        one.get("valueString") for one in extensions if str(one.get("url")).endswith("/deleted-state")
    ]  # Azure's mark of what was deleted and is exported all the same
    for status in (resource.get("status"), resource.get("docStatus"), *deleted):
        said = text_in(status)
        if said is not None:
            said = said.lower()
            said = _SAME.get(said, said)
            if said in GONE:
                return said
    for related in objects(resource.get("relatesTo")):
        if {"replaced-with", "replaced-by"} & set(codes(related.get("code"))):
            return "replaced"
    return None


def _deleted(url: str, resource: Resource, position: str, place: _Place) -> Iterator[Outcome]:
    """A deletion that the source reports: of a bulk export, a history, a transaction."""
    path, asked, condition = url.partition("?")
    kind = path.strip("/").rsplit("/", 1)[-1]
    one = re.fullmatch(r"_id=([A-Za-z0-9.-]{1,64})", condition)
    if asked and one is None and kind in {*NOTE_RESOURCES, ""}:
        yield Refused(
            position,
            "The deletion names no single note.",
            f"It is a conditional one, of {kind or 'any type'}, and which notes it meant cannot be known. Load the "
            "notes that are left, with --prune.",
        )
        return
    named = literal(f"{path}/{one[1]}" if one else url) or literal(place.full_url or "")
    if named is None or named.type not in NOTE_RESOURCES:
        return
    note = _Note(resource, place, named.relative)
    try:
        note.patient = patient_of(resource, place.base, place.lookup) if resource else None
    except NoPatient:
        note.patient = None
    yield from note.withdrawn(position, "deleted")


def _relative_id(resource: Resource, full_url: str | None, bundle: Bundle) -> str | None:
    """`Type/id`; without an id the address, or the number that the source gives the document."""
    kind = type_of(resource)
    own = resource.get("id")
    own = str(own) if isinstance(own, int) and not isinstance(own, bool) else text_in(own)
    if own:
        return f"{kind}/{own}"
    if full_url:
        if (uuid := real_uuid(full_url)) is not None:
            return f"{kind}/{uuid}"
        named = literal(full_url)
        return named.relative if named is not None and named.type == kind else f"{kind}/{full_url}"
    number = _numbers(resource)
    if kind == "Composition" and bundle.number:
        number = number or bundle.number
    return f"{kind}/{number}" if number else None


def _numbers(resource: Resource) -> str | None:
    given = (*as_list(resource.get("masterIdentifier")), *as_list(resource.get("identifier")))
    return next(filter(None, map(identifier, given)), None)


@dataclass(slots=True)
class _Note:
    """A resource that carries a note, and what it is known by."""

    resource: Resource
    place: _Place
    id: str | None
    patient: Patient | None = None

    @classmethod
    def of(cls, resource: Resource, place: _Place) -> _Note:
        return cls(resource, place, _relative_id(resource, place.full_url, place.bundle))

    @property
    def version(self) -> NoteVersion | None:
        return version(self.resource, as_object(self.place.entry.get("response")))

    def refused(
        self,
        position: str,
        reason: str,
        remedy: str,
        *,
        about: str | None = None,
        withdrawn: bool = False,
    ) -> Refused:
        return Refused(
            position,
            reason,
            remedy,
            resource_id=self.id,
            about=about,
            withdrawn=withdrawn,
            patient_id=self.patient.id if self.patient else None,
            version=self.version,
        )

    def withdrawn(self, position: str, why: str) -> Iterator[Outcome]:
        """The source took the note back, unless a newer version of it has come already."""
        if self.id is not None:
            before = self._before()
            if before is not None and not before.gone and self._older_than(before):
                return
            if before is None or not self._older_than(before):
                self.place.run.put(self.id, _State(self.version, self._bundle, why))
        reason, remedy = GONE[why]
        yield self.refused(position, reason, remedy, withdrawn=True)

    def standing(self, position: str, outcomes: list[Outcome]) -> Iterator[Outcome]:
        """The note's texts, unless the run has seen it taken back, or another server's note under its id."""
        run = self.place.run
        if self.id is None:
            yield from outcomes
            return
        if other := run.other_server(self.id, base_of(self.place.full_url)):
            yield self.refused(
                position,
                "Two servers have a note of this type and id.",
                f"The other one is {other}. Load the servers one by one, each with --id-prefix.",
                about="resource_id",
            )
            return
        before = self._before()
        if before is not None and before.gone and (before.gone == "replaced" or self._older_than(before)):
            reason, remedy = GONE[before.gone]
            yield self.refused(position, reason, remedy, withdrawn=True)
            return
        if (self.version or self._in_history) and not (before is not None and self._older_than(before)):
            run.put(self.id, _State(self.version, self._bundle))
        yield from outcomes

    def replaced(self, position: str) -> Iterator[Outcome]:
        """What is stored of the notes that this one says it replaces. One that says so itself is refused itself."""
        for target, gone, known in self.replaces():
            entry = self.place.bundle.find(target, self.place.base)
            if known or (entry is not None and entry.resource.get("status") == "superseded"):
                continue
            yield Refused(
                position,
                GONE["replaced"][0],
                f"{self.id or 'A note without an id'} says that it replaces it. Nothing to do.",
                resource_id=gone,
                withdrawn=True,
                patient_id=self.patient.id if self.patient else None,
            )

    def replaces(self) -> Iterator[tuple[str, str, bool]]:
        """What this note says it replaces, by address and id, and whether the run knew already that it is gone."""
        for target in _targets(self.resource):
            gone = self._id_of(target)
            if gone is None or gone == self.id or gone.partition("/")[0] not in NOTE_RESOURCES:
                continue
            before = self.place.run.states.get(gone)
            for name in {gone, target}:
                self.place.run.put(name, _State(None, self._bundle, "replaced"))
            yield target, gone, before is not None and before.gone != ""

    def _id_of(self, target: str) -> str | None:
        base = self.place.base
        entry, named = self.place.bundle.find(target, base), literal(target)
        if entry is not None:
            return _relative_id(entry.resource, entry.full_url, self.place.bundle)
        if named is not None:
            return named.relative if named.base in {None, base} else None
        if (uuid := real_uuid(target)) is not None:
            return f"{type_of(self.resource)}/{uuid}"
        return target if target.startswith(NOTE_RESOURCES) else None

    @property
    def _bundle(self) -> int:
        return 0 if self.place.folder else self.place.bundle.number_in_run

    @property
    def _in_history(self) -> bool:
        return self.place.bundle.kind == "history"

    def _before(self) -> _State | None:
        states = self.place.run.states
        by_address = states.get(self.place.full_url or "")
        return by_address or states.get(self.id or "")

    def _older_than(self, before: _State) -> bool:
        """Whether what the run saw before is a newer version than this one, or as new.

        Without a word of the source the later one is newer, but for a history, which begins with the newest, and for
        one Bundle that takes a note back: there nothing brings it in again.
        """
        order = newer(self.version, before.version)
        if order is not None:
            return order <= 0
        same = bool(before.bundle) and before.bundle == self._bundle
        return same and (self._in_history or bool(before.gone))


def _targets(resource: Resource) -> Iterator[str]:
    """What a note says it replaces."""
    for related in objects(resource.get("relatesTo")):
        if "replaces" not in codes(related.get("code")):
            continue
        target = as_object(related.get("target") or related.get("targetReference"))
        address = text_in(target.get("reference"))
        if address is not None:
            yield address.split("/_history/")[0]
        elif number := identifier(target.get("identifier") or related.get("targetIdentifier")):
            yield number if literal(number) else f"{type_of(resource)}/{number}"


def _texts(note: _Note, position: str) -> Iterator[Outcome]:
    """Each text of the resource is a note: `id` where there is one, else `id#1`, `id#2`, ... in the file's order.

    FHIR means several attachments of a DocumentReference to be the same document in other formats: one with the text
    of an earlier one is left out, and so is one that is no text where another is. `left_out` in the metadata says so.
    """
    if type_of(note.resource) == "Composition":
        yield _document(note, position)
        return
    texts, refused = _attached(note)
    left_out = [f"attachment {number}: {problem.reason}" for number, problem in refused]
    if type_of(note.resource) == "DiagnosticReport":
        if not _add_findings(note.resource, texts) and not refused:
            return  # results without a report: its observations are no note
    elif not texts and not refused:
        refused.append((1, Unreadable("The resource has no attachment.", "Export it with its content.")))
    if not texts:
        for number, problem in refused:
            at = f"{position}, attachment {number}" if len(refused) > 1 else position
            yield note.refused(at, problem.reason, problem.remedy)
        return
    kept: dict[str, tuple[int, str]] = {}
    for number, text in texts:
        first, _ = kept.setdefault(" ".join(text.split()), (number, text))
        if first != number:
            left_out.append(f"attachment {number}: the text of attachment {first}")
    for number, text in kept.values():
        part = f"{note.id}#{number}" if len(kept) > 1 and note.id else note.id
        yield _found(note, position, text, part, left_out)


def _attached(note: _Note) -> tuple[list[tuple[int, str]], list[tuple[int, Unreadable]]]:
    texts: list[tuple[int, str]] = []
    refused: list[tuple[int, Unreadable]] = []
    patient = note.patient.id if note.patient else None

    def content(address: str) -> Resource | Unreadable:
        return note.place.content(address, note.resource, patient)

    for number, attachment in enumerate(_attachments(note.resource), 1):
        text = attachment if isinstance(attachment, Unreadable) else attachment_text(attachment, content)
        if isinstance(text, Unreadable):
            refused.append((number, text))
        else:
            texts.append((number, text))
    return texts, refused


def _attachments(resource: Resource) -> list[Resource | Unreadable]:
    if type_of(resource) == "DiagnosticReport":
        return list(objects(resource.get("presentedForm")))
    return [
        Unreadable(
            "The attachment carries an extension that may change its meaning.",
            "Its modifierExtension is not known here. Remove it at the source if it changes nothing.",
        )
        if content.get("modifierExtension")
        else as_object(content.get("attachment"))
        for content in objects(resource.get("content"))
    ]


def _add_findings(report: Resource, texts: list[tuple[int, str]]) -> bool:
    """Add to a report's texts what it says beside them; False where there is no text at all."""
    if not texts:
        said = text_in(report.get("conclusion")) or narrative(report)
        if said:
            texts.append((1, said))
    added = report_text(report, [text for _, text in texts])
    if added:
        number, text = texts[0] if texts else (1, "")
        texts[:1] = [(number, f"{text.rstrip()}\n\n{added}".strip() if text else added)]
    return bool(texts)


def _document(note: _Note, position: str) -> Outcome:
    left_out: list[str] = []
    text = document_text(note.resource, left_out)
    if not text:
        return note.refused(
            position,
            "The Composition has no text.",
            "Export it with the narrative of its sections.",
        )
    return _found(note, position, text, note.id, left_out)


def _found(note: _Note, position: str, text: str, resource_id: str | None, left_out: list[str]) -> Found:
    patient = note.patient
    columns = _columns(note, text)
    columns["resource_id"] = resource_id
    columns["left_out"] = "; ".join(left_out) or None
    authority = (
        Authority("fhir", patient.authority, patient.reference) if patient and patient.authority else None
    )
    return Found(
        position,
        columns,
        note=True,
        offered=_offered(note),
        version=note.version,
        authority=authority,
    )


def _columns(note: _Note, text: str) -> dict[str, Any]:
    """Our fields, and beside them what a `--map` may want: category, title, description, custodian, status."""
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


def _offered(note: _Note) -> dict[str, str]:
    """What a `--map` may name besides: ids, and the dates that were not taken."""
    resource, patient = note.resource, note.patient
    period = as_object(_context(resource).get("period"))
    event = next(iter(objects(resource.get("event"))), {})
    period = period or as_object(resource.get("effectivePeriod")) or as_object(event.get("period"))
    given = {
        "fullUrl": note.place.full_url,
        "identifier": next(filter(None, map(identifier, as_list(resource.get("identifier")))), None),
        "masterIdentifier": identifier(resource.get("masterIdentifier")),
        "patient_reference": patient.reference if patient else None,
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
    if text_in(registered) is None:
        return start or end or _created(resource)
    if start or end:
        return registered if _within(str(registered), start, end) else start or end
    created = _created(resource)
    return created if created and _day(created) < _day(str(registered)) else registered


def _within(registered: str, start: str | None, end: str | None) -> bool:
    """Whether a document was registered while the care it describes went on: then that date is the nearer one."""
    day, first, last = _day(registered), _day(start or end or ""), _day(end or start or "")
    return bool(day) and first <= day <= f"{last}~"


def _day(value: str) -> str:
    return value[:10] if instant(value) else ""


def _created(resource: Resource) -> str | None:
    attachments = [as_object(content.get("attachment")) for content in objects(resource.get("content"))]
    created = [value for one in attachments if (value := text_in(one.get("creation"))) and instant(value)]
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
