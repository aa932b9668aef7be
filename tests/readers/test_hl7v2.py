"""HL7 v2: which messages are notes, whose they are, what withdraws one, and what is refused."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline import ask as ask_door
from pipeline import vectorize
from pipeline.errors import InputUnusable
from pipeline.readers.hl7v2.messages import parse, raw_messages
from pipeline.readers.hl7v2.notes import read_hl7v2
from pipeline.readers.hl7v2.times import instant_of, iso_of
from pipeline.records import NoteVersion, SourceRecord
from tests.readers.reading import SETTINGS, notes, records, refused

FILES = Path(__file__).parents[1] / "data" / "hl7v2"


# Laid out as the makers' messages are; no one in them exists.
@pytest.mark.parametrize(
    ("file", "number", "resource_id", "patient_id", "kind", "date", "author", "says"),
    [
        (
            *(
                "mdm-t02-epic.hl7",
                0,
                "5551234^EPC",
                "20031177",
                "Progress Notes",
                "2024-05-03T10:00:00-05:00",
            ),
            *("TESSA L BRANDT, MD", "ASSESSMENT AND PLAN:\nParoxysmal atrial fibrillation. CHA&DS score 3."),
        ),
        (
            *("mdm-t02-cerner.hl7", 0, "5530001^HNAM_CEREF", "00071234", "Discharge Summary"),
            *(
                "2023-11-18T09:30:00-06:00",
                "Ada R Okonjo, MD",
                "lost 6.5 kg.\n\nDISCHARGE MEDICATIONS:\n1. furosemide",
            ),
        ),
        (
            *("mdm-t02-meditech.hl7", 0, "0117-0042^MEDITECH&SBH", "M000812345", "Consultation"),
            *(
                "2024-01-17T14:05:00",
                "JURGEN MULLER",
                "worse with solids.\n\nALLERGIES:\nNKDA\n\nRECOMMENDATIONS:",
            ),
        ),
        (
            *("mdm-t04-allscripts.hl7", 0, "DOC.771.2^TOUCHWORKS&NORTHSIDE", "TW-5512"),
            *("History and physical note", "2024-02-15T21:30:00", "DR PRIYA RAMAN, MD", "Cefoxitin 2 g IV."),
        ),
        (
            *("oru-radiology-corrected.hl7", 0, "ACC778:71020^RIS", "00071234", "XR CHEST 2 VIEWS"),
            *("2023-11-13T08:15:00-06:00", "ULI STERN, MD", "Impression:\nPneumonia on the left."),
        ),
        (
            *("oru-radiology-corrected.hl7", 1, "ACC778:71020^RIS", "00071234", "XR CHEST 2 VIEWS"),
            *(
                "2023-11-13T08:15:00-06:00",
                "ULI STERN, MD",
                "Impression:\nPneumonia on the right.\n\n## Addendum\nSide",
            ),
        ),
        (
            *(
                "oru-pathology-mllp.hl7",
                0,
                "S24-1044:SP^COPATH",
                "U-900",
                "Surgical pathology report",
                "2024-02-18",
            ),
            *(
                "FOLA ADEYEMI, MD",
                "Gross description:\nAn ellipse of skin, 2.1 x 0.9 x 0.4 cm.\nA pigmented lesion",
            ),
        ),
        (
            *(
                "oru-lab-sunquest.hl7",
                0,
                "A-101:UA^SUNQUEST&GENLAB",
                "7",
                "URINALYSIS",
                "2024-03-10T06:10:00",
                None,
            ),
            "Color: Yellow\nSpecific gravity: 1.020 (1.005-1.030)\nLeucocytes: > 50 /HPF",
        ),
        (
            *(
                "oru-lab-sunquest.hl7",
                1,
                "A-102:BC^SUNQUEST&GENLAB",
                "7",
                "BLOOD CULTURE",
                "2024-03-09T09:00:00",
                None,
            ),
            "Organism: Escherichia coli\nGrowth in 2 of 2 bottles after 14 hours.",
        ),
        (
            *(
                "transcription-batch.hl7",
                0,
                "J-1001^ESCRIPTION&MERCY",
                "M-1",
                "Operative Report",
                "2024-05-31",
            ),
            *("LENA VOSS", "Thyroid lobectomy, left.\nEstimated blood loss 15 mL."),
        ),
        (
            *("transcription-batch.hl7", 1, "J-1001A^ESCRIPTION&MERCY", "M-1", "Addendum", "2024-06-01"),
            *("LENA VOSS", "ADDENDUM: The nerve was seen"),
        ),
        (
            *(
                "mdm-t10-replacement.hl7",
                0,
                "D-2^MMODAL",
                "501",
                "Consultation",
                "2024-03-30",
                "Dr NOOR HADDAD",
            ),
            "Warfarin 2.5 mg daily",
        ),
        (
            *(
                "custom-delimiters.dat",
                0,
                "DT-9^OLDLAB&KLINIK",
                "K-44",
                "Daganteckning",
                "1999-12-31T23:59:00",
            ),
            *("EVA LINDSTRÖM", "Blodtryck 140/90 $ puls 88 % jämn. 100!50.\nPris 5 * 7?ok."),
        ),
        (
            *(
                "mdm-line-ends-in-text.txt",
                0,
                "N-55^DRAGON&EASTCLINIC",
                "EC-9",
                "Progress note",
                "2024-07-12",
            ),
            *("JOHN ABARA", "MRI: not done.\n\nPLAN: Increase fluticasone to 220 mcg.\nBP 118/76"),
        ),
    ],
)
def test_a_message_becomes_a_note(
    file: str,
    number: int,
    resource_id: str,
    patient_id: str,
    kind: str,
    date: str,
    author: str | None,
    says: str,
) -> None:
    document = notes(FILES / file)[number].document
    assert (document.resource_id, document.patient_id) == (resource_id, patient_id)
    assert (document.document_type, document.date, document.author) == (kind, date, author)
    assert says in document.text_content


def test_the_rest_of_a_message_can_be_filtered_and_mapped() -> None:
    document = notes(FILES / "mdm-t02-epic.hl7")[0].document
    assert (document.domain, document.encounter_id) == ("CAR", "300400500")
    assert document.metadata["status"] == "authenticated"
    document = notes(FILES / "oru-radiology-corrected.hl7")[0].document
    assert document.domain == "Radiology"
    assert (document.metadata["status"], document.metadata["placer_order"]) == ("preliminary", "ORD-1")


def test_what_is_no_escape_sequence_stays_as_it_is_written() -> None:
    text = notes(FILES / "mdm-t02-cerner.hl7")[0].document.text_content
    assert "Path C:\\notes\\draft is kept. Weigh daily | call if up 2 kg." in text


def test_about_is_no_repetition() -> None:
    assert "lasting ~5 minutes" in notes(FILES / "mdm-t02-epic.hl7")[0].document.text_content


def test_what_the_source_deleted_or_posted_as_wrong_is_not_there() -> None:
    corrected = notes(FILES / "oru-radiology-corrected.hl7")[1].document
    assert "Pneumothorax" not in corrected.text_content
    assert corrected.metadata["left_out"] == "lines deleted or posted as wrong: 1"
    urine = notes(FILES / "oru-lab-sunquest.hl7")[0].document
    assert "Negative" not in urine.text_content
    assert "deleted line" not in urine.text_content


def test_a_form_that_is_no_text_is_named() -> None:
    assert (
        notes(FILES / "mdm-t04-allscripts.hl7")[0].document.metadata["left_out"]
        == "The document is not text."
    )


def test_the_later_message_is_the_newer_version() -> None:
    one, two = (
        found for found in records(FILES / "oru-radiology-corrected.hl7") if isinstance(found, SourceRecord)
    )
    assert one.version == NoteVersion("2023-11-13T15:00:00.000000+00:00", 1)
    assert two.version == NoteVersion("2023-11-13T18:00:00.000000+00:00", 2)


@pytest.mark.parametrize(
    ("file", "resource_id", "patient_id", "reason"),
    [
        (
            "transcription-batch.hl7",
            "J-1002^ESCRIPTION&MERCY",
            "M-2",
            "The note was cancelled by its source.",
        ),
        ("mdm-t10-replacement.hl7", "D-1^MMODAL", "501", "The note was replaced by a newer one."),
        ("oru-lab-sunquest.hl7", "A-103:CBC^SUNQUEST&GENLAB", "7", "The note was cancelled by its source."),
    ],
)
def test_what_a_source_takes_back_is_withdrawn(
    file: str, resource_id: str, patient_id: str, reason: str
) -> None:
    (found,) = refused(FILES / file)
    assert found.withdrawn
    assert (found.resource_id, found.patient_id, found.reason) == (resource_id, patient_id, reason)


# --- small messages ------------------------------------------------------------------------------------------------

MSH = "MSH|^~\\&|APP|FAC|||20240102030405||{kind}|1|P|2.5"
PID = "PID|1||7^^^GEN^MR"
TXA = "TXA|1|PR|TX|20240102||||||||D1"
OBX = "OBX|1|TX|||Rest."


def message(*segments: str, kind: str = "MDM^T02", head: str = MSH) -> str:
    return "\r".join((head.format(kind=kind), *segments)) + "\r"


def mdm(txa: str = TXA, obx: str = OBX, pid: str = PID, kind: str = "MDM^T02") -> str:
    return message(pid, txa, obx, kind=kind)


def written(tmp_path: Path, content: str | bytes, name: str = "a.hl7") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("numbers", "patient_id"),
    [
        ("7", "7"),
        ("7^^^GEN^MR", "7"),
        ("000-11-2222^^^SSA^SS~7^^^GEN^MR", "7"),
        ("E1^^^EPI^EPI~7^^^GEN^MR", "7"),
        ("A-1^^^GEN^AN~7^^^GEN", "7"),
        # the sending facility's own of two
        ("7^^^GEN^MR~8^^^FAC^MR", "8"),
        # nothing tells which of the two keeps the note: never the bare number
        ("7^^^GEN^MR~8^^^OTHER^MR", "GEN|7"),
        # no hospital's number: only where there is no other, and in full
        ("000-11-2222^^^SSA^SS", "SSA|000-11-2222"),
        ("000-11-2222^^^^SS~A-1^^^GEN^AN", "SS|000-11-2222"),
        ("7^^^GEN&1.2.3&ISO^MR~8^^^OTHER&1.2.4&ISO^MR", "urn:oid:1.2.3|7"),
    ],
)
def test_the_patient_is_the_number_that_the_note_is_kept_by(
    tmp_path: Path, numbers: str, patient_id: str
) -> None:
    (found,) = notes(written(tmp_path, mdm(pid=f"PID|1||{numbers}||DOE^JANE")))
    assert found.document.patient_id == patient_id


@pytest.mark.parametrize("pid", ["PID|1||", "PID|1||A-1^^^GEN^AN", 'PID|1||""', "PID", "NK1|1"])
def test_a_message_without_a_number_of_its_patient_is_refused(tmp_path: Path, pid: str) -> None:
    (found,) = refused(written(tmp_path, mdm(pid=pid)))
    assert found.reason == "patient_id is missing."


def test_the_older_field_is_asked_where_the_list_is_empty(tmp_path: Path) -> None:
    (found,) = notes(written(tmp_path, mdm(pid="PID|1|7^^^GEN||DOE^JANE")))
    assert found.document.patient_id == "7"


def test_two_authorities_of_one_number_are_not_mixed(tmp_path: Path) -> None:
    other = mdm(txa=TXA.replace("D1", "D2"), pid=PID.replace("GEN", "MERCY"))
    path = written(tmp_path, mdm() + other)
    (found,) = refused(path)
    assert found.reason == "Two sources of patient ids gave the same one in this run."
    assert [one.document.resource_id for one in notes(path)] == ["D1^APP&FAC"]


def test_each_patient_of_a_message_has_what_stands_under_them(tmp_path: Path) -> None:
    """PV1 and ORC of the one before are no one else's."""
    content = message(
        "PID|1||7^^^GEN^MR",
        "PV1|1|I" + "|" * 17 + "V-7",
        "ORC|RE||F1",
        "OBR|1||F1|XR^Chest",
        "OBX|1|TX|||Clear.",
        "PID|2||8^^^GEN^MR",
        "OBR|1||F2|XR^Chest",
        "OBX|1|TX|||Effusion.",
        kind="ORU^R01",
    )
    one, two = (found.document for found in notes(written(tmp_path, content)))
    assert (one.patient_id, one.encounter_id, one.text_content) == ("7", "V-7", "Clear.")
    assert (two.patient_id, two.encounter_id, two.text_content) == ("8", None, "Effusion.")


def test_a_lost_header_does_not_give_one_patient_the_note_of_another(tmp_path: Path) -> None:
    second = mdm(txa=TXA.replace("D1", "D2"), pid="PID|1||8^^^GEN^MR").partition("\r")[2]
    (found,) = refused(written(tmp_path, mdm() + second))
    assert found.reason == "The message holds two documents."


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.hl7", "a.txt", "a.dat", "a.json", "noname"])
def test_line_ends_and_names_do_not_matter(tmp_path: Path, end: str, name: str) -> None:
    content = (mdm() + mdm(txa=TXA.replace("D1", "D2"), obx="OBX|1|TX|||One.\rOBX|2|TX|||Two.")).replace(
        "\r", end
    )
    one, two = notes(written(tmp_path, content, name))
    assert (one.document.text_content, two.document.text_content) == ("Rest.", "One.\nTwo.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\\.br\\b", "a\nb"),
        ("a\\F\\b \\S\\ \\T\\ \\R\\ \\E\\", "a|b ^ & ~ \\"),
        ("a\\X0D0A\\b", "a\nb"),
        ("caf\\Xc3a9\\", "café"),
        ("a\\Xff\\b", "a\\Xff\\b"),
        ("\\H\\high\\N\\", "high"),
        ("10^9 & more", "10^9 & more"),
        ("one~two", "one\ntwo"),
        ("either\\or DOMAIN\\user\\x", "either\\or DOMAIN\\user\\x"),
        ("\\Zabc\\ and \\C2842\\", "\\Zabc\\ and \\C2842\\"),
        ("\\E\\.br\\E\\", "\\.br\\"),
    ],
)
def test_escape_sequences(text: str, expected: str) -> None:
    """At the reader: what stands for HL7 escapes in any format is resolved once more behind it."""
    (found,) = read_hl7v2(buffered(mdm(obx=f"OBX|1|TX|||{text}")), 10_000)
    assert not hasattr(found, "reason")
    assert found.columns["text_content"] == expected


def buffered(content: str | bytes) -> io.BufferedReader:
    raw = content.encode() if isinstance(content, str) else content
    return io.BufferedReader(io.BytesIO(raw))  # type: ignore[arg-type]  # a raw stream as good as any


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("8859/1", "latin-1"),
        ("ISO-8859-15", "iso8859-15"),
        ("UNICODE UTF-8", "utf-8"),
        ("UTF-8", "utf-8"),
        ("", "utf-8"),
        ("WINDOWS-1252", "cp1252"),
        ("~UNICODE UTF-8", "utf-8"),
    ],
)
def test_character_sets(tmp_path: Path, charset: str, codec: str) -> None:
    head = f"{MSH}||||||{charset}"
    content = message(PID, TXA, "OBX|1|TX|||Café, déjà vu.", head=head)
    (found,) = notes(written(tmp_path, content.encode(codec)))
    assert found.document.text_content == "Café, déjà vu."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("NM|K^Potassium||5.9|mmol/L|3.5-5.1|H", "Potassium: 5.9 mmol/L (3.5-5.1) H"),
        ("NM|K^Potassium||4.0|mmol/L|3.5-5.1|N", "Potassium: 4.0 mmol/L (3.5-5.1)"),
        ("SN|T^Titre||^1^:^128", "Titre: 1 : 128"),
        ("CE|O^Organism||112^E. coli^SCT~113^K. oxytoca^SCT", "Organism: E. coli; K. oxytoca"),
        ("DT|D^Collected||20240102", "Collected: 2024-01-02"),
        ("TX|GLU^Glucose||95|mg/dL|70-99|N", "Glucose: 95 mg/dL (70-99)"),
    ],
)
def test_values_are_told_with_unit_range_and_flag(tmp_path: Path, value: str, expected: str) -> None:
    content = message(
        PID, "OBR|1||F1|P^Panel", f"OBX|1|{value}", "OBX|2|ST|C^Comment||See above.", kind="ORU^R01"
    )
    (found,) = notes(written(tmp_path, content))
    assert found.document.text_content == f"{expected}\nComment: See above."


def test_lines_out_of_order_are_put_in_order_with_their_comments(tmp_path: Path) -> None:
    content = message(
        PID, TXA, "OBX|2|TX|||Second.", "NTE|1||Of the second.", "OBX|1|TX|||First.", "OBX|10|TX|||Last."
    )
    (found,) = notes(written(tmp_path, content))
    assert found.document.text_content == "First.\nSecond.\nOf the second.\nLast."


def test_a_report_of_several_organisms_is_one_note(tmp_path: Path) -> None:
    content = message(
        PID,
        "OBR|1||F1|BC^Culture",
        "OBX|1|CE|O^Organism||1^E. coli",
        "OBR|2||F1|BC^Culture",
        "OBX|1|CE|O^Organism||2^K. oxytoca",
        kind="ORU^R01",
    )
    (found,) = notes(written(tmp_path, content))
    assert "E. coli" in found.document.text_content
    assert "K. oxytoca" in found.document.text_content


def passed_over() -> list[str]:
    return [
        message("EVN|A08", PID, kind="ADT^A08"),
        message("MSA|AA|1", kind="ACK"),
        message(PID, TXA, kind="MDM^T01"),
        message(PID, "OBR|1||F1|BMP", "OBX|1|NM|K^Potassium||5.9", kind="ORU^R01"),
        message(PID, "OBR|1||F1|XR^Chest", kind="ORU^R01"),
    ]


@pytest.mark.parametrize("other", passed_over())
def test_messages_without_text_are_passed_over(tmp_path: Path, other: str) -> None:
    path = written(tmp_path, other + mdm() + other)
    assert refused(path) == []
    (found,) = notes(path)
    assert found.position == "message 2"


def ed(data: bytes, kind: str = "TEXT^PLAIN") -> str:
    return mdm(obx=f"OBX|1|ED|D^Document||APP^{kind}^Base64^{base64.b64encode(data).decode()}")


def test_an_addendum_does_not_take_the_place_of_its_document(tmp_path: Path) -> None:
    addendum = mdm(kind="MDM^T06", obx="OBX|1|TX|||Addendum: and fluids.")
    one, two = notes(written(tmp_path, mdm() + addendum))
    assert one.document.resource_id == "D1^APP&FAC"
    assert two.document.resource_id == "D1:addendum-20240102^APP&FAC"


def inner_cda(number: str) -> str:
    document = (
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2" extension="d"/><recordTarget><patientRole>'
        f'<id root="1.2.3" extension="{number}"/></patientRole></recordTarget><component><structuredBody><component>'
        "<section><title>Plan</title><text>Rest.</text></section></component></structuredBody></component>"
        "</ClinicalDocument>"
    )
    return ed(document.encode(), "text^XML")


def test_a_document_inside_a_message_is_read_where_it_is_the_same_patients(tmp_path: Path) -> None:
    (found,) = notes(written(tmp_path, inner_cda("7")))
    assert found.document.text_content == "Plan:\nRest."
    (gone,) = refused(written(tmp_path, inner_cda("8")))
    assert gone.reason == "The document inside is about another patient."


def test_encapsulated_text_and_html_are_read(tmp_path: Path) -> None:
    (found,) = notes(written(tmp_path, ed(b"Rest.\r\nFluids.")))
    assert found.document.text_content == "Rest.\r\nFluids."
    (found,) = notes(written(tmp_path, ed(b"<html><body><p>Rest.</p></body></html>", "TEXT^HTML")))
    assert found.document.text_content == "Rest."


@pytest.mark.parametrize(
    ("bad", "reason", "cure"),
    [
        (ed(b"%PDF-1.4 ...", "APPLICATION^PDF"), "The document is not text.", "application/pdf"),
        (ed(b"{\\rtf1\\ansi Rest.}", "TEXT^RTF"), "The text is RTF.", "plain text"),
        (mdm(obx="OBX|1|RP|||\\\\server\\a.pdf"), "The document is a link.", "OBX-2 RP"),
        (mdm(obx="OBX|1|ED|||A^TEXT^PLAIN^Base64^!!!"), "The document's data is not valid base64.", "again"),
        (
            mdm(obx="OBX|1|TX|||BP | 118/76 sitting||||||F"),
            "The text holds a delimiter that is not escaped.",
            "\\F\\",
        ),
        (mdm(obx="OBX|1|TX|||"), "The message has no text.", "OBX-5"),
        (mdm(obx="NTE|1"), "The message has no text.", "OBX-5"),
        (message(PID, OBX), "The message has no TXA segment.", "again"),
        (mdm(txa="TXA|1|PR"), "resource_id is missing.", "--map"),
        (message(PID, "OBR|1|||XR^Chest", OBX, kind="ORU^R01"), "resource_id is missing.", "--map"),
        (message(PID, TXA, OBX, kind=""), "The message does not say what it is.", "MSH-9"),
        (message(PID, TXA, OBX, "DSC|more"), "The message is continued in another one.", "DSC"),
        (
            message(PID, TXA, OBX, head=MSH + "||||||punycode"),
            "The message names an unknown character set.",
            "MSH-18",
        ),
        (message(PID, TXA, OBX, head="MSH||APP|FAC"), "The message does not name its delimiters.", "MSH"),
        (
            message(PID, TXA, OBX, head=MSH.replace("^~\\&", "^^\\&")),
            "The message does not name its delimiters.",
            "twice",
        ),
    ],
)
def test_what_is_refused_costs_itself(tmp_path: Path, bad: str, reason: str, cure: str) -> None:
    """The message before and the one after, in the same file, are read."""
    last = mdm(txa=TXA.replace("D1", "D9"))
    path = written(tmp_path, mdm(txa=TXA.replace("D1", "D8")) + bad + last)
    (found,) = refused(path)
    assert found.reason == reason
    assert cure in found.remedy
    assert found.position == "message 2"
    assert [one.document.resource_id for one in notes(path)] == ["D8^APP&FAC", "D9^APP&FAC"]


def test_bytes_in_another_character_set_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, mdm())
    path.write_bytes(mdm().encode() + mdm(obx="OBX|1|TX|||Café").encode("latin-1"))
    (found,) = refused(path)
    assert found.reason == "The message's bytes are not in the character set it names."
    assert "MSH-18" in found.remedy


def test_a_message_too_long_is_passed_over_and_the_next_is_read(tmp_path: Path) -> None:
    limits = SETTINGS.model_copy(update={"note_characters_max": 1000})
    path = written(tmp_path, mdm(obx="OBX|1|TX|||" + "Rest. " * 300_000) + mdm(txa=TXA.replace("D1", "D2")))
    (gone,) = refused(path, limits=limits)
    assert (gone.reason, gone.position) == ("The record is longer than any note may be.", "message 1")
    (found,) = notes(path, limits=limits)
    assert found.document.resource_id == "D2^APP&FAC"


@pytest.mark.parametrize("before", ["BHS|^~\\&|A\r", "\x0b"])
def test_a_batch_or_frame_that_is_cut_off_costs_its_last_message(tmp_path: Path, before: str) -> None:
    path = written(
        tmp_path, before + mdm() + mdm(txa=TXA.replace("D1", "D2"), obx="OBX|1|TX|||No evidence of")[:-1]
    )
    (found,) = refused(path)
    assert (found.reason, found.whole_source) == ("The message ends before it is complete.", True)
    assert len(notes(path)) == 1


@pytest.mark.parametrize(
    ("txa", "kind"),
    [
        (TXA + "|||||||OB", "MDM^T02"),
        (TXA + "|||||||UN", "MDM^T02"),
        (TXA + "|||||||CA", "MDM^T03"),
        (TXA, "MDM^T11"),
        (f"ORC|CA\r{TXA}", "MDM^T04"),
    ],
)
def test_documents_that_must_not_be_used_are_withdrawn(tmp_path: Path, txa: str, kind: str) -> None:
    (found,) = refused(written(tmp_path, mdm(txa=txa, kind=kind)))
    assert (found.withdrawn, found.resource_id, found.patient_id) == (True, "D1^APP&FAC", "7")


@pytest.mark.parametrize(
    ("common", "order", "status"),
    [
        ("ORC|CA||F1", "OBR|1||F1|XR^Chest", "F"),
        ("ORC|RE||F1", "OBR|1||F1|XR^Chest" + "|" * 21 + "X", "F"),
        ("ORC|RE||F1||CA", "OBR|1||F1|XR^Chest", "F"),
        ("ORC|RE||F1", "OBR|1||F1|XR^Chest", "W"),
        ("ORC|RE||F1", "OBR|1||F1|XR^Chest", "D"),
    ],
)
def test_reports_that_were_cancelled_are_withdrawn(
    tmp_path: Path, common: str, order: str, status: str
) -> None:
    content = message(PID, common, order, f"OBX|1|TX|||Clear.||||||{status}", kind="ORU^R01")
    (found,) = refused(written(tmp_path, content))
    assert (found.withdrawn, found.resource_id, found.patient_id) == (True, "F1:XR^APP&FAC", "7")


def test_a_file_named_hl7_that_is_none_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InputUnusable) as error:
        records(written(tmp_path, "Chest pain."))
    assert "The file is not HL7 v2." in error.value.what


def test_lines_before_the_first_message_are_no_message(tmp_path: Path) -> None:
    (found,) = notes(written(tmp_path, "exported by a script\r\n" + mdm()))
    assert found.document.resource_id == "D1^APP&FAC"


@pytest.mark.parametrize(
    ("written_time", "iso", "instant"),
    [
        ("2024", "2024", None),
        ("202403", "2024-03", None),
        ("20240301", "2024-03-01", "2024-03-01T00:00:00.000000+00:00"),
        ("2024030114", "2024-03-01", "2024-03-01T00:00:00.000000+00:00"),
        ("202403011405-0500", "2024-03-01T14:05:00-05:00", "2024-03-01T19:05:00.000000+00:00"),
        ("20240301140507.25", "2024-03-01T14:05:07", "2024-03-01T14:05:07.250000+00:00"),
        ('""', None, None),
        ("", None, None),
        ("00000000", None, None),
        ("20240231", "2024-02-31", None),
        ("yesterday", "yesterday", None),
        ("00010101000000+1400", "0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times(written_time: str, iso: str | None, instant: str | None) -> None:
    assert (iso_of(written_time), instant_of(written_time)) == (iso, instant)


_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=383, exclude_characters="\x7f\x85\xa0"), max_size=12
)


@given(st.lists(st.lists(_TEXT, min_size=1, max_size=6), min_size=1, max_size=4))
def test_messages_are_split_as_another_parser_splits_them(rows: list[list[str]]) -> None:
    content = "MSH|^~\\&|A|B\r" + "\r".join("|".join(("OBX", *row)) for row in rows)
    ours, theirs = parse(content.encode()), hl7.parse(content.strip())
    for mine, other in zip(ours.segments[1:], theirs[1:], strict=True):
        for number, field in enumerate(mine.fields):
            assert field.strip() == str(other[number]).strip()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    for content in (noise, b"MSH|^~\\&|" + noise, mdm().encode()[:60] + noise + mdm().encode()[60:]):
        for raw in raw_messages(buffered(content), 1000):
            assert raw.data[:3] == b"MSH"
        list(read_hl7v2(buffered(content), 1000))


def test_questions_are_answered_from_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    assert CliRunner().invoke(vectorize.app, ["notes", str(FILES)]).exit_code in {0, 1}
    for question, patient, expected in (
        ("What is the dose of apixaban?", "20031177", "apixaban 5 mg twice daily"),
        ("What was the Breslow thickness?", "U-900", "Breslow thickness 0.4 mm"),
        ("What was the estimated blood loss?", "M-1", "Estimated blood loss 15 mL"),
    ):
        told = CliRunner().invoke(ask_door.app, [question, "--patient-id", patient])
        assert expected in " ".join(told.output.split()), told.output
    told = CliRunner().invoke(ask_door.app, ["What was dictated?", "--patient-id", "M-2"])
    assert "wrong patient" not in told.output


def test_a_corrected_report_is_the_one_that_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the correction was read first, and when the older message is sent again."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    first, second = (FILES / "oru-radiology-corrected.hl7").read_text().split("MSH")[1:]
    folder = tmp_path / "inbox"
    folder.mkdir()
    written(folder, f"MSH{second}", "a.hl7")
    written(folder, f"MSH{first}", "b.hl7")
    for _ in range(2):
        told = CliRunner().invoke(vectorize.app, ["notes", str(folder)])
        assert told.exit_code == 0, told.output
        told = CliRunner().invoke(ask_door.app, ["Where is the pneumonia?", "--patient-id", "00071234"])
        assert "Pneumonia on the right." in told.output
        assert "left" not in told.output
