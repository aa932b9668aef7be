"""FHIR: what is a note in a resource, whose it is, and what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import IndexingSettings
from pipeline.indexing.validation import ValidNote, accept_all
from pipeline.readers.fhir.notes import notes
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.readers.plain_text.html import heading, text_of
from pipeline.readers.reader import RawRecord, UnreadableRecord
from pipeline.records import Rejection


def attachment(text: str | bytes, content_type: str | None = "text/plain", **more: Any) -> dict[str, Any]:
    raw = text.encode() if isinstance(text, str) else text
    return {"contentType": content_type, "data": base64.b64encode(raw).decode(), **more}


def document(*attachments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "doc-1",
        "status": "current",
        "type": {"coding": [{"code": "34117-2", "display": "History and physical note"}]},
        "subject": {"reference": "Patient/p-1"},
        "date": "2021-07-11T16:52:12.345+00:00",
        "author": [{"display": "Dr. One"}, {"reference": "Practitioner/two"}],
        "context": {
            "encounter": [{"reference": "Encounter/e-1"}],
            "practiceSetting": {"coding": [{"display": "Cardiology"}]},
        },
        "content": [{"attachment": one} for one in attachments],
        **more,
    }


def only(resource: dict[str, Any]) -> RawRecord | UnreadableRecord:
    (found,) = notes(resource, "entry 1")
    return found


def columns(resource: dict[str, Any]) -> dict[str, Any]:
    found = only(resource)
    assert isinstance(found, RawRecord), found
    return dict(found.columns)


def test_a_document_reference_becomes_a_note() -> None:
    found = columns(document(attachment("Chest pain. Déjà vu.", "text/plain; charset=utf-8")))
    assert {name: found[name] for name in list(found)[:8]} == {
        "resource_id": "DocumentReference/doc-1",
        "patient_id": "p-1",
        "document_type": "History and physical note",
        "text_content": "Chest pain. Déjà vu.",
        "date": "2021-07-11T16:52:12.345+00:00",
        "domain": "Cardiology",
        "author": "Dr. One; two",
        "encounter_id": "e-1",
    }
    assert found["type_code"] == "34117-2"


@pytest.mark.parametrize(
    ("reference", "patient"),
    [
        ({"reference": "Patient/7"}, "7"),
        ({"reference": "Patient/7/_history/3"}, "7"),
        (
            {"reference": "urn:uuid:3D195286-CE77-f5b3-b64f-3eacfb9c273e"},
            "3d195286-ce77-f5b3-b64f-3eacfb9c273e",
        ),
        ({"reference": "urn:uuid:7"}, "urn:uuid:7"),
        ({"reference": "urn:oid:2.16.840.1.7"}, "urn:oid:2.16.840.1.7"),
        (
            {"reference": "https://ehr.example/fhir/Patient/7/_history/3"},
            "https://ehr.example/fhir/Patient/7",
        ),
        ({"reference": "Patient?identifier=urn:mrn|MRN7"}, "urn:mrn|MRN7"),
        ({"reference": "https://ehr.example/fhir/Patient?identifier=urn:mrn%7CMRN7"}, "urn:mrn|MRN7"),
        ({"reference": "Patient?identifier=MRN7"}, "MRN7"),
        ({"reference": "Patient?name=Okafor"}, None),
        ({"identifier": {"value": "MRN8"}}, "MRN8"),
        ({"identifier": {"system": "urn:mrn", "value": "MRN8"}, "type": "Patient"}, "urn:mrn|MRN8"),
        ({"reference": "#contained"}, None),
        (None, None),
        ("Patient/7", None),
    ],
)
def test_the_patient_comes_from_the_subject(reference: Any, patient: str | None) -> None:
    assert columns(document(attachment("x"), subject=reference))["patient_id"] == patient


def test_several_texts_of_one_resource_are_numbered() -> None:
    found = list(notes(document(attachment("first"), attachment("second")), "entry 1"))
    assert [item.columns["resource_id"] for item in found if isinstance(item, RawRecord)] == [
        "DocumentReference/doc-1#1",
        "DocumentReference/doc-1#2",
    ]


def test_the_same_text_in_another_format_is_left_out_and_said_so() -> None:
    found = columns(
        document(
            attachment("Chest pain.\nRest."),
            attachment("<div><p>Chest pain.</p><p>Rest.</p></div>", "text/html"),
            attachment(b"%PDF-1.7", "application/pdf"),
        )
    )
    assert found["resource_id"] == "DocumentReference/doc-1"
    assert found["left_out"] == (
        "attachment 3: The attachment is not text.; attachment 2: the text of attachment 1"
    )


@pytest.mark.parametrize(
    ("broken", "reason", "remedy"),
    [
        (
            attachment(b"%PDF", "application/pdf"),
            "The attachment is not text.",
            "It is application/pdf. Convert",
        ),
        (attachment(b"{\\rtf1", "text/rtf"), "The attachment is not text.", "It is text/rtf."),
        (attachment("\n{\\rtf1\\ansi Chest pain.}"), "The attachment is not text.", "It is RTF"),
        (attachment("{\\rtf1\\ansi Chest pain.}", None), "The attachment is not text.", "It is RTF"),
        (
            {"contentType": "text/plain", "url": "Binary/9"},
            "content is not in the file",
            "is a link to a Binary, and no",
        ),
        ({"contentType": "text/plain"}, "content is not in the file", "is empty"),
        (
            {"contentType": "text/plain", "data": "no base64!"},
            "not valid base64",
            "Export the resource again",
        ),
        (attachment(b"caf\xe9"), "not in the character set it names", "Byte 4 does not fit utf-8"),
        (attachment("x", "text/plain; charset=klingon"), "unknown character set", "klingon"),
        (attachment(b"\x00\x01", None), "The attachment is not text.", "zero bytes"),
    ],
)
def test_unreadable_attachments_are_refused(broken: dict[str, Any], reason: str, remedy: str) -> None:
    found = only(document(broken))
    assert isinstance(found, UnreadableRecord)
    assert reason in found.reason
    assert remedy in found.remedy
    assert found.resource_id == "DocumentReference/doc-1"


def test_the_named_character_set_is_used() -> None:
    text = attachment("café".encode("latin-1"), "text/plain; charset=ISO-8859-1")
    assert columns(document(text))["text_content"] == "café"


@pytest.mark.parametrize(
    "charset",
    [
        "utf-16",
        "UTF-8",
        "iso-8859-15",
        "windows-1250",
        "cp1252",
        "gb18030",
        "koi8-r",
        "macintosh",
        "us-ascii",
    ],
)
def test_character_sets_of_the_list_are_read(charset: str) -> None:
    text = attachment("Rest.".encode(charset), f'text/plain; charset="{charset}"')
    assert columns(document(text))["text_content"] == "Rest."


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_character_set(charset: str) -> None:
    text = attachment("Café.".encode(charset), "text/plain")
    assert columns(document(text))["text_content"] == "Café."


@pytest.mark.parametrize(
    "charset",
    ["punycode", "utf-7", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "rot13", "hex"],
)
def test_no_other_codec_is_asked(charset: str) -> None:
    raw = b"a-" + b"b" * 500_000  # half an hour with punycode
    found = only(document(attachment(raw, f"text/plain; charset={charset}")))
    assert isinstance(found, UnreadableRecord)
    assert found.reason == "The attachment names an unknown character set."
    assert charset in found.remedy


@pytest.mark.parametrize(
    ("raw", "content_type", "text"),
    [
        (b"<html><body><p>Rest.</p></body></html>", "application/xhtml", "Rest."),
        (b"<p>Rest.</p><p>Fluids.</p>", "text/plain", "Rest.\n\nFluids."),
        (b"BP <130, HR <3 a second", "text/plain", "BP <130, HR <3 a second"),
    ],
)
def test_attached_markup_is_read(raw: bytes, content_type: str, text: str) -> None:
    assert columns(document(attachment(raw, content_type)))["text_content"] == text


@pytest.mark.parametrize(
    ("raw", "content_type", "said"),
    [
        (b"%PDF-1.7", None, "It is a PDF"),
        (b"%PDF-1.7", "text/plain", "It is a PDF"),
        (b"PK\x03\x04", None, "an Office file"),
        (b"II*\x00", None, "an image"),
        (b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'/>", "text/plain", "CDA"),
        (base64.b64encode(b"Chest pain since Monday, worse when lying."), "text/plain", "decode"),
    ],
)
def test_what_is_no_text_is_told_by_its_kind(raw: bytes, content_type: str | None, said: str) -> None:
    found = only(document(attachment(raw, content_type)))
    assert isinstance(found, UnreadableRecord)
    assert said in found.remedy


def test_a_retracted_note_is_refused() -> None:
    found = only(document(attachment("wrong patient"), status="entered-in-error"))
    assert isinstance(found, UnreadableRecord)
    assert found.reason == "The note was entered in error."


def test_a_diagnostic_report_is_read_from_its_form_or_conclusion() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r-1",
        "code": {"text": "Chest X-ray"},
        "subject": {"reference": "Patient/p-1"},
        "encounter": {"reference": "Encounter/e-1"},
        "issued": "2021-07-11T16:52:12Z",
        "performer": [{"display": "Radiology"}],
    }
    with_form = columns({**report, "presentedForm": [attachment("No infiltrate.")]})
    assert (
        with_form["text_content"],
        with_form["document_type"],
        with_form["date"],
        with_form["author"],
    ) == (
        "No infiltrate.",
        "Chest X-ray",
        "2021-07-11T16:52:12Z",
        "Radiology",
    )
    assert columns({**report, "conclusion": "Normal."})["text_content"] == "Normal."
    assert list(notes(report, "entry 1")) == []


def test_a_report_whose_form_is_no_text_is_read_from_what_else_it_says() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r-1",
        "code": {"text": "Chest X-ray"},
        "subject": {"reference": "Patient/p-1"},
        "presentedForm": [attachment(b"%PDF-1.7", "application/pdf")],
        "conclusion": "No infiltrate.",
        "text": {"status": "additional", "div": "<div>Lungs are clear.</div>"},
    }
    found = columns(report)
    assert found["text_content"] == "No infiltrate.\n\nNarrative:\nLungs are clear."
    assert found["left_out"] == "attachment 1: The attachment is not text."
    del report["conclusion"]
    assert columns(report)["text_content"] == "Lungs are clear."
    del report["presentedForm"]
    found = columns(report)
    assert (found["text_content"], found["left_out"]) == ("Lungs are clear.", None)
    report["text"] = {"status": "empty", "div": "<div>No text.</div>"}
    assert list(notes(report, "entry 1")) == []


REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "r-1",
    "code": {"text": "CT head"},
    "subject": {"reference": "Patient/p-1"},
}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"conclusion": "Small bleed."}, "CT HEAD\nno contrast\n\nConclusion:\nSmall bleed."),
        ({"conclusion": "No  contrast!"}, "CT HEAD\nno contrast"),
        ({"conclusionCode": [{"text": "Bleed"}, {"coding": [{"code": "35489007"}]}]},
         "CT HEAD\nno contrast\n\nCoded conclusion:\nBleed; 35489007"),
        ({"conclusion": "Small bleed", "conclusionCode": [{"text": "bleed"}]},
         "CT HEAD\nno contrast\n\nConclusion:\nSmall bleed"),
        ({"text": {"status": "generated", "div": "<div>Bleed on the left.</div>"}},
         "CT HEAD\nno contrast\n\nNarrative:\nBleed on the left."),
        ({"text": {"status": "empty", "div": "<div>Nothing</div>"}}, "CT HEAD\nno contrast"),
        ({"conclusion": 5}, "CT HEAD\nno contrast"),
    ],
)  # fmt: skip
def test_what_a_report_says_beside_its_text_is_not_lost(more: dict[str, Any], text: str) -> None:
    form = {"presentedForm": [attachment("CT HEAD\nno contrast")]}
    assert columns({**REPORT, **form, **more})["text_content"] == text


def test_a_coded_conclusion_alone_is_a_note() -> None:
    found = columns({**REPORT, "conclusionCode": [{"coding": [{"display": "Subdural haematoma"}]}]})
    assert found["text_content"] == "Coded conclusion:\nSubdural haematoma"


def test_a_conclusion_is_added_once_to_several_texts() -> None:
    forms = [attachment("Technique."), attachment("Findings.")]
    found = [
        one.columns["text_content"]
        for one in notes({**REPORT, "presentedForm": forms, "conclusion": "Bleed."}, "entry 1")
        if isinstance(one, RawRecord)
    ]
    assert found == ["Technique.\n\nConclusion:\nBleed.", "Findings."]


def section(title: str | None = None, text: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        **({"title": title} if title else {}),
        **({"text": {"div": f"<div>{text}</div>"}} if text else {}),
        **more,
    }


def read_sections(*sections: dict[str, Any]) -> tuple[str, str | None]:
    found = columns(
        {
            "resourceType": "Composition",
            "id": "c",
            "type": {"text": "t"},
            "subject": {"reference": "Patient/p"},
            "section": list(sections),
        }
    )
    return found["text_content"], found["left_out"]


def test_sections_and_their_titles_are_not_lost() -> None:
    nil = {"coding": [{"code": "nilknown"}]}
    text, left_out = read_sections(
        section(None, "Rash.", code={"coding": [{"display": "Allergies"}]}),
        section("Medications", emptyReason=nil),
        section("Social", "<h3>Social</h3><p>Lives alone.</p>"),
        section("1. Plan (today)", "Rest."),
        section("Results", entry=[{"reference": "urn:uuid:1"}]),
        section("Negated", "Not so.", modifierExtension=[{"url": "urn:x"}]),
        section("Nothing"),
    )
    assert text == (
        "Allergies:\nRash.\n\nMedications:\nNil known\n\nSocial:\nLives alone.\n\n## 1. Plan (today)\nRest."
    )
    assert left_out == (
        "section Results: entries without text; section Negated: an extension changes its meaning"
    )


def test_sections_are_read_however_deep_they_are() -> None:
    deep = section("Depth 300", "Seen.")
    for level in range(299, 0, -1):
        deep = section(f"Depth {level}", section=[deep])
    text, _ = read_sections(deep, section("Plan", "Also seen."))
    assert text.endswith(f"{heading('Depth 299')}\n\n{heading('Depth 300')}\nSeen.\n\nPlan:\nAlso seen.")


def test_titles_above_are_told_once_and_only_where_something_is_below() -> None:
    text, _ = read_sections(
        section(
            "History",
            section=[
                section("Findings", section=[section("Heart", "c")]),
                section("Lungs", "d"),
                section("Abdomen"),
            ],
        ),
        section("Plan", "f", section=[section("Medications", "g")]),
        section("Allergies", section=[section("Immunizations")]),
    )
    assert text == "History:\n\nFindings:\n\nHeart:\nc\n\nLungs:\nd\n\nPlan:\nf\n\nMedications:\ng"


@pytest.mark.parametrize(
    ("more", "date"),
    [
        ({"date": "2024-01-01T00:00:00Z"}, "2024-01-01T00:00:00Z"),
        ({"date": "2024-01-01", "context": {"period": {"start": "2019-05-01"}}}, "2019-05-01"),
        ({"date": "2024-01-01", "context": {"period": {"end": "2019-05-01"}}}, "2019-05-01"),
        ({"date": "2019-05-02", "context": {"period": {"start": "2019-05-01", "end": "2019-05-09"}}}, "2019-05-02"),
        ({"date": "2019-05-10", "context": {"period": {"start": "2019-05-01", "end": "2019-05-09"}}}, "2019-05-09"),
        ({"date": "2019-04-10", "context": {"period": {"start": "2019-05-01", "end": "2019-05-09"}}}, "2019-05-01"),
        ({"date": "2019-05-01T09:00:00Z", "context": {"period": {"start": "2019-05-01T08:00:00Z"}}},
         "2019-05-01T09:00:00Z"),
        ({"date": "2019-05-20", "context": {"period": {"start": "2019-05"}}}, "2019-05-20"),
        ({"date": "2024-01-01", "content": [{"attachment": attachment("x", creation="2019-05-01")}]}, "2019-05-01"),
        ({"date": "2019-05-01", "content": [{"attachment": attachment("x", creation="2024-01-01")}]}, "2019-05-01"),
        ({"date": None, "context": {"period": {"start": "2019"}}}, "2019"),
        ({"date": None, "context": {}, "period": {"start": "2019"}}, None),
    ],
)  # fmt: skip
def test_a_documents_date_is_that_of_the_care_it_tells_of(more: dict[str, Any], date: str | None) -> None:
    assert columns(document(attachment("x"), **{"context": {}, **more}))["date"] == date


def test_a_composition_is_read_section_by_section() -> None:
    composition = {
        "resourceType": "Composition",
        "id": "c-1",
        "type": {"text": "Discharge summary"},
        "subject": {"reference": "Patient/p-1"},
        "encounter": {"reference": "Encounter/e-1"},
        "text": {"div": "<div>generated</div>"},
        "section": [
            {
                "title": "Plan",
                "text": {"div": "<div xmlns='http://www.w3.org/1999/xhtml'><p>Rest &amp; fluids.</p></div>"},
            },
            {"title": "Findings", "section": [{"title": "Heart", "text": {"div": "<div>Regular.</div>"}}]},
            {"title": "Empty"},
        ],
    }
    sections = "Plan:\nRest & fluids.\n\nFindings:\n\nHeart:\nRegular."
    assert columns(composition)["text_content"] == f"generated\n\n{sections}"
    composition["text"] = {"div": "<div><b>Plan:</b> rest, fluids</div>"}
    assert columns(composition)["text_content"] == sections  # its words are all there
    composition["text"] = {"div": "<div>generated</div>"}
    del composition["section"]
    assert columns(composition)["text_content"] == "generated"
    del composition["text"]
    assert isinstance(only(composition), UnreadableRecord)


def test_a_section_about_another_person_is_left_out() -> None:
    def about(focus: dict[str, Any], title: str = "Newborn") -> str:
        sections = [
            {"title": "Birth", "text": {"div": "<div>Loss of 300 mL.</div>"}},
            {"title": title, "focus": focus, "text": {"div": "<div>Jaundice.</div>"}},
        ]
        found = columns(
            {
                "resourceType": "Composition",
                "id": "c-1",
                "type": {"text": "Birth report"},
                "subject": {"reference": "Patient/mother"},
                "text": {"div": "<div>She bled 300 mL, the child has jaundice.</div>"},
                "section": sections,
            }
        )
        assert ("Jaundice." in found["text_content"]) == ("jaundice" in found["text_content"])
        assert (found["left_out"] is None) == ("Jaundice." in found["text_content"])
        return str(found["text_content"])

    for another in (
        {"reference": "Patient/child"},
        {"reference": "RelatedPerson/child"},
        {"display": "The child"},
    ):
        assert about(another) == "Birth:\nLoss of 300 mL."
        assert "Jaundice." in about(another, "Family history")
    for the_same in ({"reference": "Patient/mother"}, {"reference": "Device/pump"}):
        assert "Jaundice." in about(the_same)


def test_markup_keeps_what_a_reader_sees() -> None:
    markup = (
        "<html><head><style>p {color: red}</style></head><body><h1>Labs</h1><table><tr><th>Test</th><th>Value</th></tr>"
        "<tr><td>Na</td><td>138</td></tr></table><p>one<br/>two &lt;3</p><ul><li>rest</li><li>fluids</li></ul>"
        "<script>alert(1)</script><pre>a  b\n c</pre></body></html>"
    )
    assert text_of(markup) == (
        "Labs:\n\nTest | Value\nNa | 138\n\none\ntwo <3\n\n- rest\n- fluids\n\na  b\nc"
    )


@pytest.mark.parametrize(
    "odd", [{}, {"content": "x"}, {"content": [{"attachment": []}]}, {"content": [3], "subject": 4}]
)
def test_odd_resources_are_refused_not_raised(odd: dict[str, Any]) -> None:
    assert isinstance(only({"resourceType": "DocumentReference", **odd}), UnreadableRecord)


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


PATIENT = {"resourceType": "Patient", "id": "p-1"}


@pytest.mark.parametrize("form", ["bundle", "pretty", "sorted", "ndjson", "bundles", "single"])
def test_every_way_of_writing_fhir(tmp_path: Path, form: str) -> None:
    one = document(attachment("note one"))
    content, position = {
        "bundle": (json.dumps(bundle(PATIENT, one)), "entry 2"),
        "pretty": (json.dumps(bundle(PATIENT, one), indent=2), "entry 2"),
        "sorted": (json.dumps(bundle(PATIENT, one), sort_keys=True), "entry 2"),
        "ndjson": (json.dumps(PATIENT) + "\n" + json.dumps(one), "line 2"),
        "bundles": (
            "\n".join(json.dumps(each) for each in (bundle(PATIENT), bundle(one))),
            "line 2, entry 1",
        ),
        "single": (json.dumps(one, indent=2), "object 1"),
    }[form]
    path = tmp_path / "export.json"
    path.write_text(content)
    (found,) = accept_all(read_sources([str(path)], FieldMapping(), IndexingSettings()), IndexingSettings())
    assert isinstance(found, ValidNote)
    assert found.document.text_content == "note one"
    assert found.position == position
    assert found.document.metadata == {
        "resource_type": "DocumentReference",
        "status": "current",
        "type_code": "34117-2",
    }


def test_users_mapping_and_defaults_reach_fhir(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text(json.dumps(document(attachment("x"), category=[{"text": "Clinical Note"}], context={})))
    mapping = FieldMapping.parse(["domain=category", "text_content=note"], ["encounter_id=none given"])
    (found,) = accept_all(read_sources([str(path)], mapping, IndexingSettings()), IndexingSettings())
    assert isinstance(found, ValidNote)
    assert (found.document.domain, found.document.encounter_id) == ("Clinical Note", "none given")


def test_an_export_without_notes_says_so(tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps(PATIENT) + "\n")
    (found,) = read_sources([str(path)], FieldMapping(), IndexingSettings())
    assert isinstance(found, Rejection)
    assert found.whole_source
    assert found.reason == "No note was found in the whole input."
    assert "DocumentReference" in found.remedy


def test_a_bulk_export_folder_is_read_without_complaint_about_other_resources(tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text(json.dumps(PATIENT) + "\n")
    (tmp_path / "DocumentReference.ndjson").write_text(json.dumps(document(attachment("x"))) + "\n")
    (found,) = accept_all(
        read_sources([str(tmp_path)], FieldMapping(), IndexingSettings()), IndexingSettings()
    )
    assert isinstance(found, ValidNote)
    assert found.position == "file DocumentReference.ndjson, line 1"


def test_odd_markup_gives_text_in_time() -> None:
    assert text_of("BP <120, a <b>bold</b> <![CDATA[1 < 2]]> <![odd[ &amp; <x:p>q</x:p><!-- no end") == (
        "BP <120, a bold 1 < 2 <![odd[ &\n\nq"
    )
    for unclosed in ("<a ", "<!--", "<![", "<a b='", "<![CDATA[", "<", "&#"):
        text_of(unclosed * 50_000)  # minutes with a parser that looks back
