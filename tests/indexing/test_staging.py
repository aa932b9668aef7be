"""What a run does with ids that it knows already: never another patient's note, never back to an older version, and
what a source took back stays away. On a real store, with both kinds of ledger."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.iris.store import IrisStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, IndexingSettings, IrisSettings, StoreSettings
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.ledger import SqliteLedger
from pipeline.indexing.reconciliation import reconcile, reopen
from pipeline.indexing.validation import NO_PREFIXES, accept_all
from pipeline.ports import Store
from pipeline.records import Claim, NoteVersion, Rejection, SourceRecord, TextKind, Vector
from pipeline.reembedding.catch_up import one_pass
from pipeline.storage.sqlite import Database
from tests.backends.iris_driver import Server

OLD_STORE = Path(__file__).parents[1] / "data" / "store-461b9f0.sqlite.gz"


class CountingEmbedder(HashingEmbedder):
    def __init__(self) -> None:
        super().__init__(EmbedderSettings(dimension=64))
        self.texts: list[str] = []

    def embed(self, texts: list[str], kind: TextKind) -> Vector:  # type: ignore[override]
        self.texts += texts
        return super().embed(texts, kind)


class Rejections:
    def __init__(self) -> None:
        self.written: list[Rejection] = []

    def write(self, rejection: Rejection) -> None:
        self.written.append(rejection)


class Corpus:
    """A store that runs can be made on, and questions asked about what is in it."""

    def __init__(self, folder: Path, *, separate: bool = False) -> None:
        self.embedder = CountingEmbedder()
        database = Database(folder / "chartwell.sqlite")
        self.store: Store = EmbeddedStore(database, StoreSettings())
        own = Database(folder / "ledger.sqlite") if separate else database
        self.ledger = SqliteLedger(own, lease_seconds=60, keep_notes=separate)
        self.rejections = Rejections()

    def run(
        self, *records: SourceRecord | Rejection, prune: bool = False, prefixes: Prefixes = NO_PREFIXES
    ) -> RunCounts:
        sources = dict.fromkeys(record.source for record in records)
        return self.indexing(prefixes).run(iter(records), sources=list(sources), prune=prune)

    def indexing(self, prefixes: Prefixes = NO_PREFIXES) -> Indexing:
        self.rejections.written.clear()
        return Indexing(
            embedder=self.embedder,
            store=self.store,
            ledger=self.ledger,
            settings=IndexingSettings(batch_size=4),
            rejections=self.rejections,
            observer=SilentObserver(),
            prefixes=prefixes,
        )

    def text(self, resource_id: str) -> str | None:
        document = self.store.document(resource_id)
        return document and document.text_content

    @property
    def notes(self) -> dict[str, str | None]:
        return {key: self.text(key) for key, _ in self.store.chunk_ids()}

    def sound(self) -> bool:
        found = reconcile(
            ledger=self.ledger,
            store=self.store,
            vector_cache=None,
            split=self.indexing().chunker.split,
            sample=None,
        )
        return found.sound and not found.stale


@pytest.fixture(params=[False, True], ids=["one database", "two"])
def corpus(tmp_path: Path, request: pytest.FixtureRequest) -> Corpus:
    return Corpus(tmp_path, separate=request.param)


def note(
    resource_id: str,
    text: str,
    *,
    patient: str = "p9",
    file: str = "/in/a.ndjson",
    source: str = "",
    version: NoteVersion | None = None,
) -> SourceRecord:
    fields = {
        "resource_id": resource_id,
        "patient_id": patient,
        "document_type": "Progress note",
        "text_content": text,
    }
    position = f"file {Path(file).name}, line 1" if source else "line 1"
    return SourceRecord(source or file, position, fields, file=file, version=version)


def withdrawn(
    resource_id: str,
    *,
    patient: str | None = None,
    file: str = "/in/a.ndjson",
    version: NoteVersion | None = None,
) -> Rejection:
    return Rejection(
        file,
        "line 9",
        resource_id,
        None,
        "The note was entered in error.",
        "",
        withdrawn=True,
        patient_id=patient,
        file=file,
        version=version,
    )


V1, V2, V3 = (NoteVersion(f"2024-01-0{day}T00:00:00Z", day) for day in (1, 2, 3))
DAY_1, DAY_2, DAY_3 = (f"/daily/2024-01-0{day}.ndjson" for day in (1, 2, 3))


# --- identity


def test_the_same_id_of_two_types_is_two_notes(corpus: Corpus) -> None:  # field cases 02a, 02b, 02d
    docs = note("DocumentReference/1001", "Chest pain.")
    reports = note("DiagnosticReport/1001", "No infiltrate.", patient="p8", file="/in/b.ndjson")
    for order in ((docs, reports), (reports, docs)):
        tally = corpus.run(*order)
        assert (tally.rejected, tally.changed) == (0, 0)
    assert corpus.notes == {
        "DiagnosticReport/1001": "No infiltrate.",
        "DocumentReference/1001": "Chest pain.",
    }


def test_a_withdrawn_report_leaves_the_document_of_the_same_id(corpus: Corpus) -> None:  # field case 02c
    corpus.run(note("DocumentReference/1001#1", "Chest pain."), note("DocumentReference/1001#2", "Asthma."))
    tally = corpus.run(withdrawn("DiagnosticReport/1001", patient="p8", file="/in/c.ndjson"))
    assert (tally.withdrawals, tally.withdrawn, tally.rejected) == (1, 0, 0)
    assert len(corpus.notes) == 2


@pytest.mark.parametrize("source", ["", "/sites"], ids=["one by one", "a folder"])
def test_two_sites_ids_never_meet(corpus: Corpus, source: str) -> None:  # field cases 02e, 02f
    a = note("1", "Takes warfarin.", patient="A-17", file="/sites/a.csv", source=source)
    b = note("1", "Sprained ankle.", patient="B-90", file="/sites/b.csv", source=source)
    runs = [(a,), (b,), (a,), (b,)] if not source else [(a, b), (a, b), (b, a)]
    refused = 0
    for records in runs:
        refused += corpus.run(*records).rejected
    assert corpus.notes == {"1": "Takes warfarin."}
    assert refused == (3 if source else 2)
    corpus.run(*runs[1])
    (rejection,) = corpus.rejections.written
    assert rejection.resource_id == "1"
    assert "a.csv" in rejection.remedy
    assert "b.csv" in rejection.remedy
    assert "--id-prefix" in rejection.remedy
    assert "A-17" not in rejection.remedy + rejection.reason


def test_each_of_several_other_patients_notes_of_one_id_is_refused(corpus: Corpus) -> None:
    a, b, c = (
        note("1", f"Visit at {site}.", patient=f"{site}-1", file=f"/sites/{site}.csv", source="/sites")
        for site in "abc"
    )
    assert corpus.run(a, b, c).rejected == 2
    assert [rejection.source for rejection in corpus.rejections.written] == ["/sites", "/sites"]
    assert corpus.notes == {"1": "Visit at a."}


def test_the_stored_patients_note_counts_among_several_of_one_id(corpus: Corpus) -> None:
    a, b, c, z = (
        note("1", f"Visit at {site}.", patient=f"{site}-1", file=f"/sites/{site}.csv", source="/sites")
        for site in "abcz"
    )
    z_before = note("1", "First visit.", patient="z-1", file="/sites/z.csv", source="/sites")
    corpus.run(z_before)
    tally = corpus.run(a, b, z, c)
    assert (tally.rejected, tally.changed) == (3, 1)
    assert corpus.notes == {"1": "Visit at z."}


def test_a_prefix_keeps_two_sites_apart(corpus: Corpus) -> None:
    a = note("1", "Takes warfarin.", patient="17", file="/sites/a.csv")
    b = note("1", "Sprained ankle.", patient="17", file="/sites/b.csv")
    corpus.run(a, prefixes=Prefixes("a:", "a:"))
    corpus.run(b, prefixes=Prefixes("b:", "b:"))
    assert corpus.notes == {"a:1": "Takes warfarin.", "b:1": "Sprained ankle."}
    corpus.run(withdrawn("1", patient="17", file="/sites/b.csv"), prefixes=Prefixes("b:", "b:"))
    assert corpus.notes == {"a:1": "Takes warfarin."}
    assert corpus.run(
        note("2", "Fever.", file="/sites/a.csv"), prune=True, prefixes=Prefixes("a:", "a:")
    ).pruned
    assert corpus.notes == {"a:2": "Fever."}


def test_the_patient_of_a_note_may_be_corrected_where_it_came_from(corpus: Corpus) -> None:
    corpus.run(note("1", "Asthma."), note("DocumentReference/2", "Fever.", file=DAY_1, version=V1))
    tally = corpus.run(
        note("1", "Asthma.", patient="p8"),
        note("DocumentReference/2", "Fever.", patient="p8", file=DAY_2, version=V2),
    )
    assert (tally.rejected, tally.changed, tally.patient_changed) == (0, 2, 2)
    for key in ("1", "DocumentReference/2"):
        document = corpus.store.document(key)
        assert document is not None
        assert document.patient_id == "p8"


# --- versions


def test_the_newest_version_counts_in_any_order_and_a_run_never_goes_back(
    corpus: Corpus,
) -> None:  # field case 06a
    first = note("DocumentReference/v1", "Dose is 5 mg.", file=DAY_1, source="/daily", version=V1)
    second = note("DocumentReference/v1", "Dose is 2 mg.", file=DAY_2, source="/daily", version=V2)
    for order in ((first, second), (second, first), (first, second)):
        tally = corpus.run(*order)
        assert (tally.accepted, tally.older, tally.rejected) == (1, 1, 0)
        assert corpus.notes == {"DocumentReference/v1": "Dose is 2 mg."}
    assert corpus.embedder.texts == ["Dose is 2 mg."]
    alone = corpus.run(first)
    assert (alone.accepted, alone.older, alone.embedded, alone.missing) == (0, 1, 0, ())
    assert corpus.notes == {"DocumentReference/v1": "Dose is 2 mg."}


def test_versions_that_are_read_far_apart(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.indexing.flow.STAGING_NOTES", 1)
    versions = [
        note("DocumentReference/v1", f"Dose is {mg} mg.", file=file, source="/daily", version=version)
        for mg, file, version in ((5, DAY_1, V1), (2, DAY_2, V2), (1, DAY_3, V3))
    ]
    first = corpus.run(*versions)
    assert (first.accepted, first.older) == (1, 2)
    embedded = len(corpus.embedder.texts)
    again = corpus.run(*versions)
    assert (again.accepted, again.older, again.unchanged, again.embedded) == (1, 2, 1, 0)
    assert len(corpus.embedder.texts) == embedded
    assert corpus.notes == {"DocumentReference/v1": "Dose is 1 mg."}


def test_without_versions_the_later_file_of_a_folder_counts(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "daily"
    folder.mkdir()
    files = [str(folder / f"day{day}.csv") for day in (1, 2, 3)]
    for file in files:
        Path(file).touch()
    records = [
        note("n1", text, file=file, source=str(folder))
        for text, file in zip(("5 mg.", "2 mg.", "5 mg."), files, strict=True)
    ]
    tally = corpus.run(*records[:2])
    assert (tally.accepted, tally.older, tally.rejected) == (1, 1, 0)
    for _ in range(2):
        corpus.run(*records)
        assert corpus.notes == {"n1": "5 mg."}
    before = len(corpus.embedder.texts)
    assert corpus.run(*records).embedded == 0
    assert len(corpus.embedder.texts) == before
    edited = note("n1", "7 mg.", file=files[2], source=str(folder))
    assert corpus.run(*records[:2], edited).changed == 1
    assert corpus.notes == {"n1": "7 mg."}


def test_an_older_state_of_the_file_that_a_note_came_from_is_an_edit(corpus: Corpus) -> None:
    corpus.run(note("n1", "5 mg."))
    assert corpus.run(note("n1", "2 mg.")).changed == 1
    assert corpus.run(note("n1", "5 mg.")).changed == 1
    assert corpus.notes == {"n1": "5 mg."}


def test_two_texts_of_one_id_in_one_file_without_versions_are_refused(corpus: Corpus) -> None:
    tally = corpus.run(note("n1", "5 mg."), note("n1", "2 mg."))
    assert (tally.accepted, tally.rejected) == (1, 1)
    assert "keep the newest" in corpus.rejections.written[0].remedy


def test_a_text_that_a_newer_version_no_longer_has_goes(corpus: Corpus) -> None:
    corpus.run(
        note("DocumentReference/1#1", "Dose is 5 mg.", version=V1),
        note("DocumentReference/1#2", "Take it at night.", version=V1),
        note("DocumentReference/2", "Fever.", version=V1),
    )
    corpus.run(
        note("DocumentReference/1", "Dose is 2 mg.", version=V2),
        note("DocumentReference/2", "Fever.", version=V1),
    )
    assert corpus.notes == {"DocumentReference/1": "Dose is 2 mg.", "DocumentReference/2": "Fever."}
    corpus.run(
        note("DocumentReference/1#1", "Dose is 3 mg.", version=V3),
        note("DocumentReference/1#2", "Take it early.", version=V3),
    )
    assert sorted(corpus.notes) == ["DocumentReference/1#1", "DocumentReference/1#2", "DocumentReference/2"]
    assert corpus.sound()


def test_a_resource_that_gets_a_second_text_in_its_own_file(corpus: Corpus) -> None:
    corpus.run(note("DocumentReference/1", "Dose is 5 mg."))
    texts = note("DocumentReference/1#1", "Dose is 2 mg."), note("DocumentReference/1#2", "Take it at night.")
    corpus.run(*texts)
    assert sorted(corpus.notes) == ["DocumentReference/1#1", "DocumentReference/1#2"]
    cut = corpus.indexing().run(iter(texts[:1]), sources=["/in/a.ndjson"], complete_sources=False)
    assert (cut.withdrawn, len(corpus.notes)) == (0, 2)  # the rest of the last resource was not read
    assert corpus.run(texts[0]).withdrawn == 1
    assert corpus.sound()


# --- withdrawals


def test_what_was_withdrawn_stays_away_until_it_is_newer(corpus: Corpus) -> None:  # field cases 06b, 06c
    current = note("DocumentReference/d2", "Chest pain.", file=DAY_1, source="/daily")
    gone = withdrawn("DocumentReference/d2", file=DAY_2)
    for number in range(2):
        tally = corpus.run(current, gone)
        assert (tally.withdrawals, tally.rejected, tally.embedded) == (1, 0, 0), number
        assert corpus.notes == {}
    assert corpus.run(current).older == 1
    assert corpus.notes == {}
    restored = note("DocumentReference/d2", "Chest pain, again.", file=DAY_3, version=V3)
    corpus.run(withdrawn("DocumentReference/d2", file=DAY_2, version=V2))
    assert corpus.run(restored).new == 1
    assert corpus.run(withdrawn("DocumentReference/d2", file=DAY_2, version=V2)).withdrawn == 0
    assert corpus.text("DocumentReference/d2") == "Chest pain, again."


def test_a_withdrawal_that_names_no_patient_holds_back_no_other_patients_note(corpus: Corpus) -> None:
    corpus.run(note("DocumentReference/1", "A fever."))
    assert corpus.run(withdrawn("DocumentReference/1")).withdrawn == 1
    assert corpus.run(note("DocumentReference/1", "A fever.", file="/in/b.ndjson")).older == 1
    assert corpus.run(note("DocumentReference/1", "Gout.", patient="p8", file="/other/b.ndjson")).new == 1


def test_a_history_that_lists_the_newest_first(corpus: Corpus) -> None:  # field case 08a
    corpus.run(withdrawn("DiagnosticReport/2"), note("DiagnosticReport/2", "No infiltrate."))
    assert corpus.notes == {}


def test_a_withdrawal_takes_all_texts_and_no_other_patients(corpus: Corpus) -> None:
    corpus.run(
        note("DocumentReference/1#1", "A fever."),
        note("DocumentReference/1#2", "A cough."),
        note("DocumentReference/11", "Asthma."),
        note("2", "Gout.", patient="p2", file="/in/b.csv"),
        note("3", "Sprain.", patient="p3", file="/in/b.csv"),
        note("3#1", "Not a part of anything.", patient="p3", file="/in/b.csv"),
    )
    tally = corpus.run(
        withdrawn("DocumentReference/1", patient="p9"),
        withdrawn("DocumentReference/11", patient="p1"),
        withdrawn("2", file="/in/other.csv"),
        withdrawn("3", patient="p3", file="/in/other.csv"),
    )
    assert (tally.withdrawals, tally.withdrawn) == (4, 3)
    assert sorted(corpus.notes) == ["2", "3#1", "DocumentReference/11"]


def test_what_is_withdrawn_while_it_waits_is_never_embedded(corpus: Corpus) -> None:
    corpus.run(note("DocumentReference/1", "A fever."), withdrawn("DocumentReference/1", patient="p9"))
    assert corpus.embedder.texts == []
    assert sum(corpus.ledger.counts().values()) == 0


def test_a_withdrawal_that_is_cut_off_is_ended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(ids: object) -> int:
        raise Killed

    corpus = Corpus(tmp_path, separate=True)
    corpus.run(note("DocumentReference/1#1", "A fever."), note("DocumentReference/1#2", "A cough."))
    with monkeypatch.context() as patched:
        patched.setattr(corpus.store, "delete", killed)
        with pytest.raises(Killed):
            corpus.run(withdrawn("DocumentReference/1"))
    assert len(corpus.notes) == 2
    corpus.run(note("DocumentReference/1#1", "A fever.", file="/in/older.ndjson"))
    assert corpus.notes == {}
    assert corpus.sound()


def test_a_repaired_note_keeps_its_version(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.run(note("DocumentReference/1", "Dose is 2 mg.", file=DAY_2, version=V2))
    indexing = corpus.indexing()
    found = reconcile(
        ledger=corpus.ledger, store=corpus.store, vector_cache=None, split=indexing.chunker.split, sample=None
    )
    reopen(replace(found, different=("DocumentReference/1",)), ledger=corpus.ledger, store=corpus.store)
    indexing.work(RunCounts())
    assert corpus.run(note("DocumentReference/1", "Dose is 5 mg.", file=DAY_1, version=V1)).older == 1
    assert corpus.notes == {"DocumentReference/1": "Dose is 2 mg."}


# --- a store that the first release made


@pytest.fixture
def old(tmp_path: Path) -> Corpus:
    (tmp_path / "chartwell.sqlite").write_bytes(gzip.decompress(OLD_STORE.read_bytes()))
    return Corpus(tmp_path)


def as_read_today(*, version: NoteVersion | None = None) -> Iterator[SourceRecord]:
    """What the readers of today make of the files of the old store."""
    metadata = {"resource_type": "DocumentReference", "status": "current"}
    for key, patient, text, file in (
        ("DocumentReference/1001", "p9", "Complains of chest pain on exertion.", "fhir.ndjson"),
        ("DiagnosticReport/2002", "p8", "No infiltrate, heart of normal size.", "fhir.ndjson"),
        ("DocumentReference/3003#1", "p7", "Takes warfarin 5 mg daily.", "fhir.ndjson"),
        ("DocumentReference/3003#2", "p7", "Knee pain after a fall.", "fhir.ndjson"),
        ("DocumentReference/4004", "p6", "Sprained left ankle.", "more.ndjson"),
        ("DocumentReference/5005", "p5", "Waits to be embedded.", "more.ndjson"),
        ("DocumentReference/6006", "p5", "Failed the last time.", "more.ndjson"),
        ("1", "A-17", "Takes metformin 500 mg twice daily.", "site.csv"),
        ("2", "A-18", "Knee pain.", "site.csv"),
    ):
        record = note(key, text, patient=patient, file=f"/srv/notes/{file}", version=version)
        if "/" in key:
            metadata["resource_type"] = key.partition("/")[0]
            record.fields["metadata"] = dict(metadata)  # type: ignore[index]
        yield record


IDS = sorted(record.fields["resource_id"] for record in as_read_today())


@pytest.mark.parametrize("prune", [False, True])
def test_notes_of_an_old_store_are_carried_over(old: Corpus, prune: bool) -> None:
    tally = old.run(*as_read_today(version=V1), prune=prune)
    assert (tally.pruned, tally.missing, tally.rejected, tally.new) == (0, (), 0, 0)
    assert sorted(old.notes) == IDS
    assert old.ledger.counts()["completed"] == len(IDS)
    assert old.sound()
    before = len(old.embedder.texts)
    again = old.run(*as_read_today(version=V1), prune=prune)
    assert (again.unchanged, again.embedded, len(old.embedder.texts)) == (len(IDS), 0, before)


def test_what_is_not_read_again_stays(old: Corpus) -> None:
    old.run()
    assert {"1001", "2002", "3003#1", "3003#2", "4004", "5005", "1", "2"} <= set(old.notes)
    assert old.run(note("DocumentReference/9", "Fever.", file="/elsewhere/a.ndjson")).new == 1


def test_an_old_note_is_withdrawn_by_its_type_and_id(old: Corpus) -> None:
    tally = old.run(
        withdrawn("DiagnosticReport/1001", patient="p9"),
        withdrawn("DocumentReference/3003"),
        withdrawn("DocumentReference/4004", patient="p1"),
    )
    assert tally.withdrawn == 2
    assert not {"3003#1", "3003#2"} & set(old.notes)
    assert {"1001", "4004"} <= set(old.notes)
    assert old.sound()


def test_an_old_note_of_another_patient_is_not_replaced(old: Corpus) -> None:
    old.run(note("DocumentReference/1001", "Sprain.", patient="p1", file="/elsewhere/a.ndjson"))
    assert (old.text("1001"), old.text("DocumentReference/1001")) == (
        "Complains of chest pain on exertion.",
        "Sprain.",
    )
    assert old.run(note("1", "Sprain.", patient="B-90", file="/elsewhere/b.csv")).rejected == 1
    assert old.text("1") == "Takes metformin 500 mg twice daily."
    assert old.run(note("1", "Sprain.", patient="B-90", file="/srv/notes/site.csv")).patient_changed == 1


def test_a_faulty_record_keeps_the_old_note(old: Corpus) -> None:
    faulty = note("DocumentReference/1001", "", file="/srv/notes/fhir.ndjson")
    tally = old.run(faulty, prune=True)
    assert tally.rejected == 1
    assert old.text("1001") is not None


def test_a_carry_over_that_is_cut_off_is_ended_by_the_next_run(
    old: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(documents: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(old.store, "upsert", killed)
        with pytest.raises(Killed):
            old.run(*as_read_today())
    assert {"1001", "3003#1"} <= set(old.notes)
    old.run(prune=True)
    old.run(*as_read_today(), prune=True)
    assert sorted(old.notes) == IDS
    assert old.sound()


OLD_COLUMNS = ("File", "PatientID", "ResourceType", "VersionUpdated", "VersionNumber", "Replaces")


@pytest.fixture
def old_separate(tmp_path: Path) -> Iterator[Corpus]:
    """The same as the first release left it next to a store on a server: the ledger keeps the notes."""
    server = Server()
    corpus = Corpus(tmp_path, separate=True)
    corpus.store = IrisStore(IrisSettings(password=SecretStr(server.password)), server.connect)
    for record in as_read_today():
        record.fields["resource_id"] = record.fields["resource_id"].rpartition("/")[2]  # type: ignore[index]
        corpus.run(record)
    connection = Database(tmp_path / "ledger.sqlite").connection
    for column in OLD_COLUMNS:
        connection.execute(f"ALTER TABLE VectorizationState DROP COLUMN {column}")
    connection.execute("DROP TABLE WithdrawnNotes")
    connection.execute("DROP TABLE ComponentVersions")
    yield corpus
    corpus.store.close()
    server.close()


def test_notes_beside_a_separate_store_are_carried_over(old_separate: Corpus) -> None:
    assert "3003#2" in old_separate.notes
    tally = old_separate.run(*as_read_today(), prune=True)
    assert (tally.pruned, tally.missing, tally.rejected, tally.new) == (0, (), 0, 0)
    assert sorted(old_separate.notes) == IDS
    assert old_separate.sound()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_carry_over_to_a_separate_store_that_is_killed(
    old_separate: Corpus, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    class Killed(BaseException):
        pass

    complete = old_separate.ledger.complete

    def killed(counts: Sequence[tuple[Claim, int]]) -> list[Claim]:
        """After the store has committed, before or after the ledger has."""
        if when == "after":
            complete(counts)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(old_separate.ledger, "complete", killed)
        with pytest.raises(Killed):
            old_separate.run(*as_read_today())
    old_separate.run(*as_read_today(), prune=True)
    assert sorted(old_separate.notes) == IDS
    assert old_separate.ledger.counts()["completed"] == len(IDS)
    assert old_separate.sound()


def test_an_old_note_beside_a_separate_store_is_withdrawn(old_separate: Corpus) -> None:
    assert old_separate.run(withdrawn("DocumentReference/3003")).withdrawn == 2
    assert not {"3003#1", "3003#2"} & set(old_separate.notes)
    assert old_separate.sound()


# --- two runs, two spaces


def test_a_space_that_is_migrated_to_knows_versions_and_withdrawals(tmp_path: Path) -> None:
    serving, shadow = Corpus(tmp_path / "serving"), Corpus(tmp_path / "shadow")
    serving.run(
        note("DocumentReference/1", "Dose is 2 mg.", version=V2), note("DocumentReference/2", "Fever.")
    )
    serving.run(withdrawn("DocumentReference/2"))
    number = replace(note("D1^GEN", "Gout.", patient="7"), authority=("hl7", "GEN"))
    serving.run(number)
    assert one_pass(serving.store, serving.ledger, shadow.indexing()).stored == 2
    tally = shadow.run(
        note("DocumentReference/1", "Dose is 5 mg.", file=DAY_1, version=V1),
        note("DocumentReference/2", "Fever.", file=DAY_1),
    )
    assert (tally.older, tally.embedded) == (2, 0)
    other = replace(note("D2^NORTH", "Sprain.", patient="7"), authority=("hl7", "NORTH"))
    assert shadow.run(other).rejected == 1
    assert shadow.notes == {"DocumentReference/1": "Dose is 2 mg.", "D1^GEN": "Gout."}


def test_what_is_known_of_one_run_stays_within_the_bound() -> None:
    records = (
        note(f"DocumentReference/{number}", "Fever.", file=f"/in/{number // 1000}.ndjson", version=V1)
        for number in range(20_000)
    )
    outcomes = accept_all(records, IndexingSettings())
    next(outcomes)
    tracemalloc.start()
    for _ in outcomes:
        pass
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown / 20_000 < 300
