"""CDA and C-CDA: what is a note in a document, whose it is, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import ask as ask_door
from pipeline import vectorize
from pipeline.errors import InputUnusable
from pipeline.records import Document, NoteVersion, SourceRecord
from pipeline.text.section_titles import heading_of
from tests.readers.reading import SETTINGS, notes, records, refused

FILES = Path(__file__).parents[1] / "data" / "cda"


def headings_of(document: Document) -> list[str]:
    """The headings that the chunker knows, in the order of the note."""
    return [found for line in document.text_content.splitlines() if (found := heading_of(line))]


# Laid out as the makers' documents are; no one in them exists.
@pytest.mark.parametrize(
    ("file", "resource_id", "patient_id", "kind", "date", "author", "headings"),
    [
        (
            "ccd-epic.xml",
            "8d3c7a44-0b1e-11ef-9c55-0a58a9feac02:34133-9^1.2.840.114350.1.13.90909.1.7.1.1",
            "20031177",
            "Summarization of Episode Note",
            "2024-05-03T14:15:22-05:00",
            "Lakeshore Health",
            ["Allergies", "Medications", "Active Problems", "Immunizations"],
        ),
        (
            "discharge-cerner.xml",
            "5530001^2.16.840.1.113883.3.9021.100",
            "00071234",
            "Discharge Summary",
            "2023-11-18T09:30:00-06:00",
            "Ada R Okonjo, MD",
            ["HOSPITAL COURSE", "HOSPITAL DISCHARGE MEDICATIONS", "Discharge Instructions"],
        ),
        (
            "progress-athena.xml",
            "6f1a2c3e-8b44-4d5e-9c7b-2d1e0f9a8b7c",
            "a-195423",
            "Progress note",
            "2024-06-11",
            "JOHN T. ABARA, NP",
            ["reason for visit", "Asthma, moderate persistent", "Seasonal allergic rhinitis", "Vital Signs"],
        ),
        (
            "consultation-meditech.xml",
            "RPT-20240117-0042^2.16.840.1.113883.3.7418.12.3",
            "M000812345",
            "Consultation Note",
            "2024-01-17T14:05:00",
            "Dr. Jürgen Müller",
            ["REASON FOR CONSULTATION", "ALLERGIES", "IMPRESSION AND RECOMMENDATIONS"],
        ),
        (
            "history-allscripts.xml",
            "HP77^2.16.840.1.113883.3.526.4",
            "TW-5512",
            "History and Physical Note",
            "2024-02",
            "Priya Raman, MD, FACS; Sam Teller",
            ["History of Present Illness", "Results", "Assessment/Plan"],
        ),
        (
            "referral-nextgen.cda",
            "d41d8c^2.16.840.1.113883.3.1181.5",
            "NG100234",
            "Referral note",
            "2024-02-29T23:59:00+00:00",
            "Lena Voss",
            ["Reason for Referral", "Allergies", "Social History"],
        ),
        (
            "unstructured-mirth.xml",
            "b7f3c8e0-52f1-4a7e-8b1d-6a2f9d3e1c55",
            "55-0190",
            "Surgical Operation Note",
            "2022-09-15T11:30:00-04:00",
            "Dr Noor Haddad",
            ["OPERATIVE REPORT"],
        ),
        (
            "careplan-openemr-v1.xml",
            "careplan-9:52521-2^2.16.840.1.113883.3.3388.8",
            "3071",
            "Care plan",
            "2024-03-01T08:00:00",
            "Riverside Free Clinic",
            ["Goals", "Interventions"],
        ),
        (
            "ccd-eclinicalworks.xml",
            "EMR-20231224-1^2.16.840.1.113883.3.2054.3",
            "8841",
            "Summarization of Episode Note",
            "2023-12-24",
            "Ivo Petrov",
            ["Lab Results", "Medications"],
        ),
    ],
)
def test_a_document_becomes_a_note_with_its_sections(
    file: str, resource_id: str, patient_id: str, kind: str, date: str, author: str, headings: list[str]
) -> None:
    (found,) = notes(FILES / file)
    document = found.document
    assert (document.resource_id, document.patient_id) == (resource_id, patient_id)
    assert (document.document_type, document.date, document.author) == (kind, date, author)
    assert [one for one in headings_of(document) if one in headings] == headings


def text(file: str) -> str:
    return notes(FILES / file)[0].document.text_content


def test_tables_keep_their_columns() -> None:
    lines = text("ccd-epic.xml").splitlines()
    assert "Penicillins | Anaphylaxis | High | 06/12/2009" in lines
    assert "Latex | Hives; Itching |  | 01/2015 | Gloves only" in lines
    assert (
        "lisinopril 10 MG tablet; (Commonly known as: Zestril) | Take 1 tablet by mouth daily. | 02/01/2023"
        in lines
    )
    assert text("progress-athena.xml").endswith(
        "Vital Signs:\n06/11/2024 | BP | 118/76 mm[Hg]\n06/11/2024 | Pulse | 72 /min"
    )


def test_a_small_table_does_not_become_a_big_text(tmp_path: Path) -> None:
    cell = f'<td rowspan="500" colspan="500">{"x" * 5000}</td>'
    table = f"<table><tr>{cell}<td>y</td></tr>{'<tr/>' * 499}</table>"
    (found,) = notes(written(tmp_path, cda().replace("Rest.", table)))
    assert len(found.document.text_content) < 2_000_000


def test_what_is_struck_out_is_not_there_and_is_named() -> None:
    (found,) = notes(FILES / "discharge-cerner.xml")
    assert "warfarin" not in found.document.text_content
    assert found.document.metadata["left_out"] == "passages shown as deleted: 1"
    (found,) = notes(FILES / "history-allscripts.xml")
    assert "Abdominal pain for five days" in found.document.text_content
    assert "900 U/L" not in found.document.text_content
    assert found.document.metadata["left_out"] == "passages shown as deleted: 2; images: 1"


def test_a_raised_figure_is_not_another_digit() -> None:
    assert "14.2 x10^3/uL" in text("history-allscripts.xml")


def test_footnotes_captions_and_lists_are_kept() -> None:
    found = text("history-allscripts.xml")
    assert "CRP | 88 mg/L [Sample slightly haemolysed.] | H" in found
    assert "- Acute appendicitis: Laparoscopic appendectomy tonight." in found
    assert "1. furosemide 40 mg oral tablet, 1 tab(s), Oral, BID" in text("discharge-cerner.xml")
    assert "Weigh yourself every morning.\nCall if you gain more than 2 kg" in text("discharge-cerner.xml")


def test_an_empty_section_says_so_and_one_without_text_is_named() -> None:
    (found,) = notes(FILES / "referral-nextgen.cda")
    assert "Allergies:\nNo information." in found.document.text_content
    assert found.document.metadata["left_out"] == "section Results: entries without text"


@pytest.mark.parametrize(("title", "kept"), [("Newborn", False), ("Family history", True)])
def test_a_section_about_another_person_is_left_out(tmp_path: Path, title: str, kept: bool) -> None:
    subject = '<subject><relatedSubject classCode="PRS"><code code="CHILD"/></relatedSubject></subject>'
    sections = (
        "<component><section><title>Birth</title><text>Loss of 300 mL.</text></section></component>"
        f"<component><section><title>{title}</title><text>Jaundice.</text>{subject}</section></component>"
    )
    path = tmp_path / "birth.xml"
    path.write_text(cda(f"<component><structuredBody>{sections}</structuredBody></component>"))
    (found,) = notes(path)
    assert ("Jaundice." in found.document.text_content) == kept
    assert found.document.metadata.get("left_out") == (
        None if kept else "section Newborn: about another person"
    )


def test_the_rest_of_the_header_can_be_filtered_and_mapped() -> None:
    (found,) = notes(FILES / "discharge-cerner.xml")
    assert found.document.domain == "Cardiology"
    assert found.document.encounter_id == "FIN-884412"
    assert found.document.metadata["encounter_start"] == "2023-11-12"
    assert found.document.metadata["encounter_end"] == "2023-11-18"
    assert found.document.metadata["patient_reference"] == "urn:oid:2.16.840.1.113883.3.9021.2|00071234"


def test_latin_1_and_characters_of_html_are_read() -> None:
    assert "Café-au-lait macule noted incidentally, 2.5 × 1 cm." in text("consultation-meditech.xml")
    assert "TSH | 4.8 mIU/L" in text("ccd-eclinicalworks.xml").replace("\xa0", " ")


def test_documents_of_one_file_are_notes_of_their_own() -> None:
    one, two = notes(FILES / "imaging-two-documents.xml")
    assert (one.document.patient_id, two.document.patient_id) == ("P-61", "P-62")
    assert (one.position, two.position) == ("line 2", "document 2, line 11")


def test_versions_are_told_by_number_and_the_replaced_document_goes() -> None:
    for number, version in (
        (1, NoteVersion("2024-03-01T08:00:00.000000+00:00", 1)),
        (2, NoteVersion(None, 2)),
    ):
        (found, *_) = records(FILES / f"careplan-openemr-v{number}.xml")
        assert isinstance(found, SourceRecord)
        assert found.version == version
        assert found.fields["resource_id"] == "careplan-9:52521-2^2.16.840.1.113883.3.3388.8"
    (gone,) = refused(FILES / "careplan-openemr-v2.xml")
    assert gone.withdrawn
    assert (gone.resource_id, gone.patient_id) == ("CP-1^2.16.840.1.113883.3.3388.7", "3071")
    (gone,) = refused(FILES / "unstructured-mirth.xml")
    assert (gone.withdrawn, gone.resource_id) == (True, "0a6f2d11-7c1b-4a55-9e07-33c0f1b2a9d4")


# --- small documents -----------------------------------------------------------------------------------------------

ROLE = '<id root="1.2.3.4.5.6.7.8" extension="7"/>'


def cda(body: str = "", *, role: str = ROLE, head: str = "", number: int = 1, root: str = "") -> str:
    body = body or (
        "<component><structuredBody><component><section><title>Plan</title><text>Rest.</text></section></component>"
        "</structuredBody></component>"
    )
    return (
        f"<ClinicalDocument {root or 'xmlns=' + chr(34) + 'urn:hl7-org:v3' + chr(34)}>"
        f'<id root="1.2.3.4.5.6.7.9" extension="d{number}"/>'
        f'<code code="34109-9" displayName="Note"/><effectiveTime value="20240102"/>{head}'
        f"<recordTarget><patientRole>{role}</patientRole></recordTarget>{body}</ClinicalDocument>"
    )


def unstructured(content: str, media: str = "text/plain", representation: str = "B64") -> str:
    return cda(
        f'<component><nonXMLBody><text mediaType="{media}" representation="{representation}">{content}</text>'
        "</nonXMLBody></component>"
    )


def written(tmp_path: Path, content: str | bytes, name: str = "a.xml") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TWO = '<id root="1.9.1" extension="7"/><id root="1.9.2" extension="8"/>'


@pytest.mark.parametrize(
    ("role", "patient_id"),
    [
        ('<id root="1.2.3" extension="7"/>', "7"),
        ('<id root="2.16.840.1.113883.4.1" extension="000-11-2222"/><id root="1.2.3" extension="7"/>', "7"),
        ('<id nullFlavor="UNK"/><id root="1.2.3" extension="7"/>', "7"),
        ('<id root="2B3E6A60-6A4E-4B8A-9E0C-0F1F5B8C7D11"/>', "2b3e6a60-6a4e-4b8a-9e0c-0f1f5b8c7d11"),
        # nothing tells which of the two keeps the note: never the bare number
        (TWO, "urn:oid:1.9.1|7"),
        # no hospital's number: only where there is no other, and in full
        (
            '<id root="2.16.840.1.113883.4.1" extension="000-11-2222"/>',
            "urn:oid:2.16.840.1.113883.4.1|000-11-2222",
        ),
        # the same organisation as the document's own id
        ('<id root="1.9.1" extension="7"/><id root="1.2.3.4.5.6.7.1" extension="8"/>', "8"),
        # one is called a medical record number
        (
            '<id root="1.9.1" extension="7"/><id root="1.9.2" extension="8" assigningAuthorityName="GH MRN"/>',
            "8",
        ),
        (f"{TWO}<providerOrganization><id root='1.9.2'/></providerOrganization>", "8"),
    ],
)
def test_the_patient_is_the_number_that_the_note_is_kept_by(
    tmp_path: Path, role: str, patient_id: str
) -> None:
    (found,) = notes(written(tmp_path, cda(role=role)))
    assert found.document.patient_id == patient_id


@pytest.mark.parametrize(
    "role", ["", "<id root='2.16.840.1.113883.4.6' extension='1000000004'/>", "<id/>", "<id root='1.2.3'/>"]
)
def test_a_document_without_a_number_of_its_patient_is_refused(tmp_path: Path, role: str) -> None:
    (found,) = refused(written(tmp_path, cda(role=role)))
    assert found.reason == "patient_id is missing."


def test_a_document_about_two_patients_is_refused(tmp_path: Path) -> None:
    second = f"<recordTarget><patientRole>{ROLE}</patientRole></recordTarget>"
    (found,) = refused(written(tmp_path, cda(head=second)))
    assert found.reason == "The document is about several patients."


def test_two_authorities_of_one_number_are_not_mixed(tmp_path: Path) -> None:
    other = cda(role='<id root="1.2.3.4.5.6.8.1" extension="7"/>', number=2)
    written(tmp_path, cda(), "a.xml")
    written(tmp_path, other, "b.xml")
    (taken,) = notes(tmp_path)
    (found,) = refused(tmp_path)
    assert taken.document.resource_id.startswith("d1^")
    assert found.reason == "Two sources of patient ids gave the same one in this run."
    assert "1.2.3.4.5.6.7.8" in found.remedy
    assert "1.2.3.4.5.6.8.1" in found.remedy


def test_documents_of_two_types_under_one_set_are_two_notes(tmp_path: Path) -> None:
    """Some makers give all documents of a patient one setId, and version 1."""
    head = '<setId root="1.2.3" extension="s"/><versionNumber value="1"/>'
    one = cda(head=head, number=1)
    two = cda(head=head, number=2).replace('code="34109-9"', 'code="11506-3"')
    found = notes(written(tmp_path, one + two))
    assert [note.document.resource_id for note in found] == ["s:34109-9^1.2.3", "s:11506-3^1.2.3"]


def test_a_document_named_by_its_root_alone_has_an_id(tmp_path: Path) -> None:
    """As Epic names its documents. A root alone is no patient and no set."""
    document = cda(head='<setId root="1.2.3"/><versionNumber value="1"/>')
    (found,) = notes(written(tmp_path, document.replace(' extension="d1"', "")))
    assert found.document.resource_id == "1.2.3.4.5.6.7.9"


def test_a_nullified_document_is_withdrawn(tmp_path: Path) -> None:
    (found,) = refused(
        written(tmp_path, cda(head='<s:statusCode xmlns:s="urn:hl7-org:sdtc" code="nullified"/>'))
    )
    assert (found.withdrawn, found.resource_id, found.patient_id) == (True, "d1^1.2.3.4.5.6.7.9", "7")


def b64(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (unstructured(b64("Plan: rest, and café.")), "Plan: rest, and café."),
        (unstructured(b64("Plan: café.".encode("cp1252"))), "Plan: café."),
        (unstructured(b64("<html><body><p>Plan: rest.</p></body></html>"), "text/html"), "Plan: rest."),
        (unstructured("Plan: rest &amp; fluids.", representation="TXT"), "Plan: rest & fluids."),
    ],
)
def test_unstructured_bodies_are_read(tmp_path: Path, document: str, expected: str) -> None:
    (found,) = notes(written(tmp_path, document))
    assert found.document.text_content == expected


@pytest.mark.parametrize(
    ("document", "reason", "cure"),
    [
        (unstructured(b64(b"%PDF-1.7 ..."), "application/pdf"), "The document is not text.", "a PDF"),
        (unstructured(b64("{\\rtf1 Plan}"), "text/rtf"), "The text is RTF.", "plain text"),
        (unstructured("!!!"), "The document's data is not valid base64.", "again"),
        (unstructured('<reference value="a.pdf"/>'), "The document's content is not in the file.", "link"),
        (cda("<component><structuredBody/></component>"), "The document has no text.", "section/text"),
        (cda().replace("</title>", ""), "The document is not well-formed XML.", "line 1"),
        (cda()[:-30], "The document ends before it is complete.", "end tag"),
        (
            "<?xml version='1.0' encoding='punycode'?>" + cda(),
            "The document names an unknown character set.",
            "UTF-8",
        ),
        (
            "<?xml version='1.0'?><!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + cda(),
            "The XML has a document type definition.",
            "DOCTYPE",
        ),
        (
            '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + cda().replace("Rest.", "&x;"),
            "The XML has a document type definition.",
            "never put in",
        ),
        (cda(root='xmlns="urn:other"'), "The document is not CDA.", "namespace"),
        (cda("<a>" * 3000 + "</a>" * 3000), "The document is not well-formed XML.", "line 1"),
    ],
)
def test_what_is_refused_costs_itself(tmp_path: Path, document: str, reason: str, cure: str) -> None:
    """The document before and the one after, in the same file, are read."""
    whole = cda(number=8) + "\n" + document + '\n<?xml version="1.0" encoding="utf-8"?>\n' + cda(number=9)
    first, last = notes(written(tmp_path, whole))
    found = [one for one in refused(written(tmp_path, whole)) if one.reason == reason]
    assert found, refused(tmp_path / "a.xml")
    assert cure in found[0].remedy
    assert first.document.resource_id.startswith("d8^")
    assert last.document.resource_id.startswith("d9^")


def test_a_document_in_no_namespace_is_read_all_the_same(tmp_path: Path) -> None:
    (found,) = notes(written(tmp_path, cda(root='version="1"')))
    assert found.document.text_content == "Plan:\nRest."


def test_utf_16_is_read_whatever_the_declaration_says(tmp_path: Path) -> None:
    document = '<?xml version="1.0" encoding="UTF-16"?>' + cda().replace("Rest.", "Café.")
    (found,) = notes(written(tmp_path, document.encode("utf-16")))
    assert found.document.text_content == "Plan:\nCafé."


def test_a_document_too_long_is_passed_over_and_the_next_is_read(tmp_path: Path) -> None:
    limits = SETTINGS.model_copy(update={"note_characters_max": 1000})
    long = cda(number=1).replace("Rest.", "Rest. " * 300_000)
    path = written(tmp_path, long + cda(number=2))
    (found,) = notes(path, limits=limits)
    assert found.document.resource_id.startswith("d2^")
    (gone,) = refused(path, limits=limits)
    assert gone.reason == "The record is longer than any note may be."


@pytest.mark.parametrize(
    ("content", "reason", "cure"),
    [
        (
            '<Bundle xmlns="http://hl7.org/fhir"><id value="1"/></Bundle>',
            "The XML is not a CDA document.",
            "FHIR in XML",
        ),
        (
            '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>',
            "The XML is not a CDA document.",
            "envelope",
        ),
        ("<note><to>me</to></note>", "The XML is not a CDA document.", "ClinicalDocument"),
        ("Chest pain.", "The file is not XML.", "suffix"),
    ],
)
def test_other_xml_is_refused_by_its_kind(tmp_path: Path, content: str, reason: str, cure: str) -> None:
    with pytest.raises(InputUnusable) as error:
        records(written(tmp_path, content))
    assert reason in error.value.what
    assert cure in error.value.remedy


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    (found,) = notes(written(tmp_path, "\ufeff<?xml version='1.0'?>\n" + cda(), "note.txt"))
    assert (found.document.patient_id, found.position) == ("7", "line 2")


def test_questions_are_answered_from_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    assert CliRunner().invoke(vectorize.app, ["notes", str(FILES)]).exit_code in {0, 1}
    for question, patient, expected in (
        ("What was the peak flow?", "a-195423", "Peak flow 310 L/min"),
        (
            "What was the ejection fraction on the echocardiogram?",
            "00071234",
            "Ejection fraction on echocardiogram was 30 %",
        ),
        ("What was the estimated blood loss?", "55-0190", "20 mL"),
    ):
        told = CliRunner().invoke(ask_door.app, [question, "--patient-id", patient])
        assert expected in " ".join(told.output.split()), told.output
    told = CliRunner().invoke(ask_door.app, ["What was the peak flow?", "--patient-id", "55-0190"])
    assert "310" not in told.output


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_newer_version_is_the_one_that_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, int]
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    for number in order:
        told = CliRunner().invoke(vectorize.app, ["notes", str(FILES / f"careplan-openemr-v{number}.xml")])
        assert told.exit_code == 0, told.output
    told = CliRunner().invoke(ask_door.app, ["What is the dose of amlodipine?", "--patient-id", "3071"])
    assert "Amlodipine 2.5 mg daily" in told.output
    assert "5 mg daily" not in told.output.replace("2.5 mg daily", "")
