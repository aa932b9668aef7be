"""What stands where a text should be: plain text untouched, HTML as text, everything else refused by its kind."""

from __future__ import annotations

import base64
import csv
import io
import json
import quopri
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import IndexingSettings
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.readers.plain_text.content_kind import NotText, as_plain_text
from pipeline.records import Rejection, SourceRecord

SETTINGS = IndexingSettings()
DATA = Path(__file__).parents[1] / "data" / "notes"
SENTENCE = "No pain since Monday, and the temperature is 36.8 in the morning."

ORDINARY = [
    "BP <130 and HR >60",
    "<3 weeks of cough",
    "WBC<3, if <b then >c",
    "<p=0.05; HR >3 and more",
    "<PATIENT> was seen </b",
    "[**Name**] was seen.",
    "{name} was seen.",
    "HR=72 BP=12 RR=20 SpO2=98",
    "weight=\n80 kg",
    "Unremarkable",
    "Circumcision",
    "Pacemaker set:\n```\n<b>rate</b><br>\n```",
    "Line breaks are written `<br>` there.",
    "R&D; 1 & 2",
    "RT&LT; eyes, AT&T; GI&GU;",
    "PIDs | 1 | 2",
    "Temp >38 & <39, ratio 50%20",
    "\u60a3\u8005\u53d1\u70ed\u4e09\u5929",
    "JVBER",
    "",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_notes_are_untouched(text: str) -> None:
    assert as_plain_text(text) == text


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        (
            "<html><head><style>p{x}</style></head><body><p>Severe <b>pain</b>&nbsp;now.</p></body></html>",
            "Severe pain\u00a0now.",
        ),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("\n <DIV class='x'>One<BR>Two</DIV>", "One\nTwo"),
        ("<!DOCTYPE html><p>One", "One"),
        ("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body>One</body></html>", "One"),
        ("Severe <b>pain</b>\nsince Monday", "Severe pain\nsince Monday"),
        ("One<br/>Two", "One\nTwo"),
        ("&lt;p&gt;One&lt;/p&gt;", "One"),
        ("<p>5 &amp;lt; 6</p>", "5 < 6"),
        ("Temp &gt; 38 &amp;amp; rising", "Temp > 38 & rising"),
        ("Temp 38&deg;C &plusmn; 0.2, &ge;3 &micro;g", "Temp 38°C ± 0.2, ≥3 µg"),
        ("<del>Warfarin</del> <ins>Apixaban</ins> daily", "Apixaban daily"),
        ("<strike>aspirin 81</strike> clopidogrel", "clopidogrel"),
        ("one\\.br\\two \\T\\ three", "one\ntwo & three"),
    ],
)
def test_markup_becomes_what_a_reader_sees(markup: str, seen: str) -> None:
    assert as_plain_text(markup) == seen


REFUSED = {
    "The text is RTF.": [
        "{\\rtf1\\ansi Pain.}",
        " {\\rtf1 x}",
        "Note: {\\rtf1\\b x}",
        "{\\\\rtf1\\\\ansi x}",
    ],
    "The text is a CDA document.": [
        '<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>',
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><title>A</title></ClinicalDocument>',
    ],
    "The text is XML.": [
        "<Note><Text>Pain.</Text></Note>",
        "\ufeff<?xml version='1.0'?><a/>",
        "&lt;?xml version='1.0'?&gt;&lt;a/&gt;",
        "Sent as: <?xml version='1.0'?><a/>",
    ],
    "The text is a PDF.": ["%PDF-1.7\nx"],
    "The text is an HL7 v2 message.": [
        "MSH|^~\\&|A|B",
        "MSH#^~\\&#A",
        "\x0bMSH|^~\\&|A",
        "OBX|1|TX|x||Pain.",
    ],
    "The text is JSON.": ['{"text": "Pain."}', '[{"insert": "Pain."}]'],
    "The text is base64.": [
        base64.b64encode(SENTENCE.encode()).decode(),
        base64.encodebytes(SENTENCE.encode() * 9).decode(),
        base64.urlsafe_b64encode(SENTENCE.encode("utf-16")).decode(),
        base64.b64encode(SENTENCE.replace("pain", "d\u00e9j\u00e0").encode("latin-1")).decode(),
        base64.b64encode(b"%PDF-1.7").decode(),
        base64.b64encode(bytes(range(256)) * 2).decode(),
        "data:text/plain;base64," + base64.b64encode(SENTENCE.encode()).decode(),
    ],
    "The text is written as hexadecimal numbers.": [
        SENTENCE.encode().hex(),
        "0x" + SENTENCE.encode().hex().upper(),
        "\\x" + SENTENCE.encode().hex(),
    ],
    "The text is quoted-printable.": [
        quopri.encodestring(f"{SENTENCE} D\u00e9j\u00e0 vu, RR=20. {SENTENCE}".encode()).decode(),
        "Temperature =3D 38, then=\nfalling.",
    ],
    "The text is percent-encoded.": ["Severe%20pain%20since%20Monday"],
    "The text's UTF-16 slips by one byte.": [
        SENTENCE + "\n".join(SENTENCE).encode("utf-16-le")[1:-1].decode("utf-16-le")
    ],
    "The text is a MIME message.": ["Subject: x\nContent-Transfer-Encoding: base64\n\nUGFpbg=="],
}


@pytest.mark.parametrize(
    ("reason", "text"), [(why, text) for why, texts in REFUSED.items() for text in texts]
)
def test_what_cannot_be_quoted_is_refused_by_its_kind(reason: str, text: str) -> None:
    found = as_plain_text(text)
    assert isinstance(found, NotText)
    assert found.reason == reason


@given(st.text("<>&;=/\\{}[]|%#xabpr1\n \"'`", max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    as_plain_text(text)


@pytest.mark.parametrize(
    "piece",
    ["<p ", "<a", "&lt;", "=3D", "\\.br\\", "<br ", "</", "A", "<!--", "{\\", "`<b>", "<p" + " " * 99],
)
def test_time_is_in_proportion(piece: str) -> None:
    started = time.process_time()
    as_plain_text(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 5


def read(path: Path, defaults: tuple[str, ...] = ()) -> list[SourceRecord | Rejection]:
    return list(read_sources([str(path)], FieldMapping.parse((), defaults), SETTINGS))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("07a-rtf.csv", "The text is RTF."), ("07c-cda.csv", "The text is a CDA document.")],
)
def test_a_column_of_documents_is_refused(name: str, reason: str) -> None:  # field cases 07a and 07c
    (found,) = read(DATA / name)
    assert isinstance(found, Rejection)
    assert (found.resource_id, found.field, found.reason) == ("1", "text_content", reason)


def test_a_column_of_html_is_read() -> None:  # field case 07b
    (found,) = read(DATA / "07b-html.jsonl")
    assert isinstance(found, SourceRecord)
    assert found.fields["text_content"] == "Reports severe headache since\u00a0Monday."


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".txt"])
def test_every_reader_looks(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"n1{suffix}"
    note = {
        "id": "n1",
        "patient_id": "p1",
        "type": "note",
        "text": base64.b64encode(SENTENCE.encode()).decode(),
    }
    written = io.StringIO()
    csv.writer(written).writerows([note, note.values()])
    path.write_text(
        {".csv": written.getvalue(), ".txt": note["text"]}.get(suffix) or json.dumps(note), encoding="utf-8"
    )
    (found,) = read(path, ("patient_id=p1", "document_type=note"))
    assert isinstance(found, Rejection)
    assert (found.resource_id, found.reason) == ("n1", "The text is base64.")
