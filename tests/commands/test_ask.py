"""The command line of asking: exit codes, citations, JSON, filters, streaming."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from pipeline import ask as ask_door
from pipeline import vectorize
from pipeline.ask import process_query
from pipeline.config import load_settings
from pipeline.errors import BadRequest, InputUnusable, StoreMissing
from pipeline.locators import PageBox, locator_record
from pipeline.records import Filters
from pipeline.wiring import STORE_FILE, open_corpus

CASES = Path(__file__).parents[1] / "data" / "notes"
NOTES = [
    ("n1", "p1", "2020-01-01", "Allergies: penicillin causes a rash. Blood pressure was 120/80 today."),
    ("n2", "p2", "2022-02-02", "The patient started lisinopril 20 mg daily for high blood pressure."),
]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    rows = [
        {"resource_id": i, "patient_id": p, "date": d, "document_type": "note", "text_content": t}
        for i, p, d, t in NOTES
    ]
    source = tmp_path / "notes.json"
    source.write_text(json.dumps(rows))
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0


def index(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes one of the small files that were once read wrongly."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    told = CliRunner().invoke(vectorize.app, ["notes", str(CASES / name)])
    assert told.exit_code == 0, told.output


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(ask_door.app, list(arguments))


def test_what_a_note_says_is_printed_letter_by_letter(corpus: None, tmp_path: Path) -> None:
    """rich knows emoji codes and styles; a note may hold the same characters."""
    text = "Serum titer was 1:100:2 and [bold]tab[/bold] :smiley:."
    row = {
        "resource_id": "urn:id:77",
        "patient_id": "MRN:100:5",
        "document_type": ":note:",
        "text_content": text,
    }
    source = tmp_path / "codes.json"
    source.write_text(json.dumps([row]))
    told = CliRunner().invoke(vectorize.app, ["notes", str(source), "--test-search", "Serum titer"])
    assert told.exit_code == 0
    for shown in (ask("Which serum titer?"), ask("Which serum titer?", "--show-context")):
        assert text in shown.output
        assert "urn:id:77  patient MRN:100:5  :note:" in shown.output
    (citation,) = json.loads(ask("Which serum titer?", "--json").output)["citations"]
    assert [citation[name] for name in ("resource_id", "patient_id", "quote")] == [
        "urn:id:77",
        "MRN:100:5",
        text,
    ]


@pytest.mark.usefixtures("corpus")
def test_an_answer_names_note_patient_type_date_similarity_and_span() -> None:
    result = ask("Which dose of lisinopril was started for blood pressure?")
    assert result.exit_code == 0, result.output
    assert "lisinopril 20 mg daily" in result.output
    assert "n2  patient p2  note  2022-02-02  similarity 0." in result.output
    assert "characters 0-67" in result.output


@pytest.mark.usefixtures("corpus")
def test_json_carries_the_whole_answer() -> None:
    answer = json.loads(ask("Which dose of lisinopril was started?", "--json").stdout)
    (citation,) = answer["citations"]
    assert NOTES[1][3][citation["start"] : citation["end"]] == citation["quote"]
    assert answer["outcome"] == "answered"
    assert answer["passages"]


CITATION = {
    *("number", "resource_id", "patient_id", "document_type", "date"),
    *("similarity", "start", "end", "quote"),
}


@pytest.mark.usefixtures("corpus")
def test_a_citation_of_a_page_names_the_page_and_of_text_the_characters_alone() -> None:
    question = "Which dose of lisinopril was started?"
    (citation,) = json.loads(ask(question, "--json").stdout)["citations"]
    assert set(citation) == CITATION
    place = locator_record(PageBox(3, 0.1, 0.1, 0.5, 0.2))
    with closing(sqlite3.connect(load_settings().data_dir / STORE_FILE)) as store:
        store.execute("UPDATE ClinicalNoteVectors SET Locator = ?", (json.dumps(place),))
        store.commit()
    answer = json.loads(ask(question, "--json").stdout)
    assert answer["citations"] == [citation | {"locator": place}]
    assert answer["statements"][0]["citations"] == answer["citations"]
    assert answer["passages"][0]["locator"] == place
    shown = ask(question).output
    assert "page 3" in shown
    assert "characters" not in shown


@pytest.mark.usefixtures("corpus")
def test_nothing_relevant_is_exit_code_3() -> None:
    result = ask("Where do zebras graze in autumn?")
    assert result.exit_code == 3
    assert "No relevant information found." in result.output


@pytest.mark.usefixtures("corpus")
def test_filters_streaming_and_context() -> None:
    assert ask("Which dose of lisinopril was started?", "--patient-id", "p1").exit_code == 3
    assert ask("Which dose of lisinopril was started?", "--until", "2021-12-31").exit_code == 3
    streamed = ask(
        "Which dose of lisinopril was started?", "--since", "2022-01-01", "--stream", "--show-context"
    )
    assert streamed.exit_code == 0
    assert "passages found" in streamed.output
    assert "--- passage 1 (note n2, patient p2, note, 2022-02-02)" in streamed.output


@pytest.mark.parametrize("arguments", [["  "], ["fever?", "--since", "yesterday"]])
@pytest.mark.usefixtures("corpus")
def test_what_cannot_run_says_what_to_do(arguments: list[str]) -> None:
    result = ask(*arguments)
    assert result.exit_code == 2
    assert "What to do:" in result.output


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (ask_door, ["Any fever?"]),
        (vectorize, ["status"]),
        (vectorize, ["verify"]),
        (vectorize, ["optimise"]),
        (vectorize, ["migrate", "--status"]),
    ],
)
def test_who_only_reads_makes_no_store_and_says_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: ModuleType, arguments: list[str]
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    told = CliRunner().invoke(command.app, arguments)
    assert told.exit_code == 2
    assert f"{tmp_path}/chartwell-data/chartwell.sqlite does not exist" in told.output
    assert list(tmp_path.iterdir()) == []


def test_the_library_makes_no_store_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    with pytest.raises(StoreMissing):
        process_query("Any fever?")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A crash before the first write leaves one. A single byte is none of ours."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    file = tmp_path / "chartwell-data" / "chartwell.sqlite"
    file.parent.mkdir()
    file.touch()
    told = ask("Any fever?")
    assert (told.exit_code, file.stat().st_size) == (2, 0)
    assert f"{file} is empty" in told.output
    file.write_bytes(b"S")
    told = ask("Any fever?")
    assert (told.exit_code, file.read_bytes()) == (2, b"S")
    assert "CW-STORE-DAMAGED" in told.output


def test_an_empty_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    settings = load_settings()
    with open_corpus(settings) as corpus:
        corpus.store.prepare(corpus.embedder.space)
    result = ask("Any fever?")
    assert result.exit_code == 3
    assert "Nothing is indexed yet." in result.output


@pytest.mark.usefixtures("corpus")
def test_the_library_answers_too() -> None:
    answer = process_query(
        "Which dose of lisinopril was started?", top_k=5, filters=Filters(patient_ids=("p2",))
    )
    assert answer.outcome == "answered"
    with pytest.raises(InputUnusable):
        process_query(" ")


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_passage_is_refused(top_k: int) -> None:
    with pytest.raises(InputUnusable, match=f"top_k is {top_k}"):
        process_query("Which dose?", top_k=top_k)


@pytest.mark.usefixtures("corpus")
def test_a_question_that_is_too_long_is_exit_code_2_and_says_so() -> None:
    result = ask("lisinopril " * 20_000)
    assert result.exit_code == 2
    assert "The question is too long" in result.output
    assert "What to do: Shorten it" in result.output


def test_a_period_that_ends_before_it_begins_is_refused(corpus: None) -> None:
    told = ask("Any fever?", "--since", "2024-02-01", "--until", "2024-01-01")
    assert told.exit_code == 2
    assert "The period ends before it begins." in told.output
    with pytest.raises(BadRequest):
        process_query("Any fever?", filters=Filters(since="2024-02-01", until="2024-01-01"))


@pytest.mark.parametrize(
    ("since", "until", "quoted"),
    [
        ("2024-03-01", "2024-03-31", {"130/80", "131/80", "132/80"}),
        ("2024-01-01", "2024-12-31", {"130/80", "131/80", "132/80"}),
        ("2024-03-11", "2024-03-12", {"130/80", "131/80"}),
        ("2023-01-01", "2023-12-31", set[str]()),
    ],
)
def test_a_note_of_a_month_or_a_year_is_found_by_its_days(
    monkeypatch: pytest.MonkeyPatch, since: str, until: str, quoted: set[str]
) -> None:  # field case 11
    index("11-partial-dates.jsonl", monkeypatch)
    answer = process_query("What was the blood pressure?", filters=Filters(since=since, until=until))
    found = " ".join(passage.text for passage in answer.passages)
    assert {value for value in ("130/80", "131/80", "132/80") if value in found} == quoted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--patient-id", "P3"], "No note has patient P3 (p3 has 2)."),
        (["--patient-id", "Patient/p3"], "No note has patient Patient/p3 (p3 has 2)."),
        (["--domain", "NEUROLOGY"], "No note has domain NEUROLOGY (Neurology has 1, neurology has 1)."),
        (
            ["--document-type", "Progress Notes"],
            "No note has type Progress Notes (Progress note has 1, progress note has 1).",
        ),
        (["--since", "2025-01-01"], "No note is of the dates given; 2 are of other dates."),
    ],
)
def test_a_filter_that_nothing_matches_is_explained(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:  # field case 17
    index("17-filters.csv", monkeypatch)
    told = ask("Was there a seizure?", *arguments)
    assert told.exit_code == 3
    assert "No note matches the filters." in told.output
    assert words in " ".join(told.output.split())
    answer = json.loads(ask("Was there a seizure?", *arguments, "--json").stdout)
    assert answer["reason"] == "filters_match_nothing"
    assert answer["notices"]


def test_an_answer_says_what_its_filters_left_out(monkeypatch: pytest.MonkeyPatch) -> None:  # field case 17
    index("17-filters.csv", monkeypatch)
    told = ask("Were there seizures?", "--document-type", "Progress note")
    assert told.exit_code == 0, told.output
    assert "other notes have type progress note (1)." in " ".join(told.output.split())
    index("12-names.jsonl", monkeypatch)
    told = ask("Were there seizures?", "--since", "2020-01-01")
    assert told.exit_code == 0, told.output
    assert "3 of 5 notes have no date and are left out by the dates given." in " ".join(told.output.split())


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is the potassium of Ms. Nguyen?", "Potassium is 5.9 mmol/L."),
        ("What is Mrs. Garcia's sodium?", "Mrs. García has a sodium of 128 mmol/L."),
        ("What is Mr. Abara's calcium?", "Mr. Abara has a calcium of 2.2 mmol/L."),
    ],
)
def test_a_patient_is_known_by_name_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch, question: str, said: str
) -> None:  # field case 12
    index("12-names.jsonl", monkeypatch)
    told = ask(question)
    assert told.exit_code == 0, told.output
    assert said in told.output
    assert len(json.loads(ask(question, "--json").stdout)["citations"]) == 1


def test_a_person_that_no_note_names_gets_no_other_persons_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    index("12-names.jsonl", monkeypatch)  # field case 12
    told = ask("What is the potassium of Ms. Okafor?")
    assert told.exit_code == 3
    assert "No note among those found has the name Okafor; --patient-id is surer." in told.output
    answer = json.loads(ask("What is the potassium of Ms. Okafor?", "--json").stdout)
    assert (answer["reason"], answer["passages"]) == ("name_not_found", [])
    assert ask("What is the potassium of Ms. Okafor?", "--patient-id", "p1").exit_code == 0


def test_the_note_that_ends_what_others_copy_forward_is_among_the_passages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # field case 16
    index("16-copied-forward.jsonl", monkeypatch)
    answer = process_query("Is the patient still on metoprolol?")
    assert "new" in [passage.resource_id for passage in answer.passages]


def test_an_answer_says_which_of_its_notes_are_not_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # field case A3
    index("10-conclusion-dropped.json", monkeypatch)
    preliminary = json.loads((CASES / "10-conclusion-dropped.json").read_text())
    preliminary |= {"id": "early", "status": "preliminary", "conclusion": "Tiny effusion on the right."}
    source = tmp_path / "early.json"
    source.write_text(json.dumps(preliminary))
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0
    told = ask("Is there a tiny effusion on the right?")
    assert "1 note cited is not final (preliminary): DiagnosticReport/early." in told.output
    assert "not final" not in ask("Is there a subdural haematoma?").output
    (notice,) = json.loads(ask("Is there a tiny effusion on the right?", "--json").stdout)["notices"]
    assert (notice["code"], notice["value"], notice["notes"]) == ("not_final", "preliminary", 1)
