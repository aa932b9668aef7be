"""What a source says of a note's patient, through ledger and store: it costs no embedding, and goes with the note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import IndexingSettings
from pipeline.indexing.chunking import fingerprint_under, is_known_as
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.patients import FEMALE, PersonName, SourcePatient
from pipeline.records import EVERYTHING, Document, Rejection, SourceRecord
from pipeline.reembedding.catch_up import one_pass
from pipeline.storage.sqlite import Database
from tests.indexing.test_flow import CountingEmbedder, Rejections, Run, records

EVA = SourcePatient("fhir", (PersonName(("Eva",), ("Nowak",)),), FEMALE, "1970-03-01")
MARRIED = replace(EVA, names=(*EVA.names, PersonName(("Eva",), ("Kowalski",))))


@pytest.fixture(params=[False, True], ids=["one database", "with spool"])
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    database = Database(tmp_path / "chartwell.sqlite")
    return Run(database, CountingEmbedder(), tmp_path, spool=request.param)


def said(patient: SourcePatient | None, count: int = 6, changed: int | None = None) -> Iterator[SourceRecord]:
    return (replace(record, patient=patient) for record in records(count, changed=changed))


def called(run: Run, name: str) -> list[str]:
    return [patient.patient_id for patient in run.store.patients_called([name], EVERYTHING)]


def test_a_source_that_names_the_patient_later_costs_no_embedding(run: Run) -> None:
    run(said(None))
    before = len(run.embedder.texts)
    tally = run(said(EVA))
    assert (tally.changed, tally.unchanged, len(run.embedder.texts) - before) == (6, 0, 0)
    assert called(run, "Nowak") == ["p0", "p1", "p2"]
    assert run(said(EVA)).unchanged == 6
    tally = run(said(MARRIED))
    assert (tally.changed, len(run.embedder.texts) - before) == (6, 0)
    assert called(run, "Kowalski") == called(run, "Nowak") == ["p0", "p1", "p2"]


def test_a_part_of_an_export_without_patients_takes_no_name_back(run: Run) -> None:
    run(said(EVA))
    assert run(said(None)).unchanged == 6
    assert called(run, "Nowak") == ["p0", "p1", "p2"]
    assert run(said(EVA)).unchanged == 6


def test_a_note_that_goes_takes_the_name_with_it(run: Run) -> None:
    run(said(EVA))
    run(said(EVA, count=1), prune=True)
    assert called(run, "Nowak") == ["p0"]
    withdrawn = Rejection("a.jsonl", "line 0", "n0", None, "Withdrawn.", "", withdrawn=True)
    run(iter([withdrawn]))
    assert called(run, "Nowak") == []
    assert run.store.patients(EVERYTHING) == []
    assert run.store.check() == []


def test_a_run_that_is_cut_off_keeps_what_was_said(run: Run) -> None:
    run.stop_after = 1
    assert run(said(EVA, count=12)).interrupted
    run.stop_after = None
    run(iter([]), complete_sources=False)  # from the ledger alone
    documents = [run.store.document(f"n{number}") for number in range(12)]
    assert [document.patient for document in documents if document] == [EVA] * 12


def test_another_embedding_space_takes_it_along(run: Run, tmp_path: Path) -> None:
    run(said(EVA))
    shadow = Run(Database(tmp_path / "shadow.sqlite"), CountingEmbedder(), tmp_path / "shadow", spool=False)
    indexing = Indexing(
        shadow.embedder, shadow.store, shadow.ledger, IndexingSettings(), Rejections(), SilentObserver()
    )
    assert one_pass(run.store, run.ledger, indexing).stored == 6
    assert called(shadow, "Nowak") == ["p0", "p1", "p2"]
    assert one_pass(run.store, run.ledger, indexing).level


def test_a_document_survives_as_json() -> None:
    document = Document("n1", "p1", "Note", "Rest.", metadata={"ward": "3"}, patient=MARRIED)
    assert Document.of_json(document.as_json()) == document
    bare = replace(document, patient=None)
    assert Document.of_json(bare.as_json()) == bare
    assert bare.fingerprint() == document.fingerprint()


def test_which_fingerprints_are_one_note_s() -> None:
    bare, eva, married = (fingerprint_under("r", "n", patient) for patient in (None, EVA, MARRIED))
    assert is_known_as(eva, eva)
    assert is_known_as(eva, bare)
    assert not is_known_as(bare, eva)
    assert not is_known_as(eva, married)
    assert not is_known_as(fingerprint_under("r", "m", EVA), bare)
