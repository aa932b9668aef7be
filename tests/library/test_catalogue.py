"""The catalogue of the library: states, versions, scopes, and two people who decide at once."""

import datetime as dt
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadRequest, DomainUnknown, LibraryError, VersionUnknown
from pipeline.library.catalogue import LibraryCatalogue
from pipeline.library.records import (
    DocumentFinding,
    DocumentMetadata,
    DocumentPage,
    DocumentState,
    LibraryDocument,
)
from pipeline.library.states import Decision, outcome, possible_decisions
from pipeline.library.versions import (
    LibraryDomain,
    LibraryQuery,
    LibraryVersion,
    ReadingRefusal,
    StoredRelevance,
    Upload,
    version_id_of,
)
from pipeline.storage.sqlite import Database

STATES = get_args(DocumentState)
DECISIONS = get_args(Decision)
NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)


def content(number: int) -> str:
    return f"{number:064x}"


def upload(number: int, domain: str = "pain", supersedes: str = "", title: str = "") -> Upload:
    return Upload(
        content(number),
        f"file {number}.pdf",
        10,
        domain,
        "librarian",
        DocumentMetadata(title=title),
        supersedes,
    )


def reading(number: int, *findings: DocumentFinding) -> LibraryDocument:
    metadata = DocumentMetadata(title=f"Guideline {number}", date="2024", origins={"title": "first page"})
    return LibraryDocument(content(number), "pdf", (DocumentPage(1, "Rest and ice."),), metadata, findings)


class Moments:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Moments:
    return Moments()


@pytest.fixture
def catalogue(tmp_path: Path, clock: Moments) -> Iterator[LibraryCatalogue]:
    database = Database(tmp_path / "library.sqlite")
    made = LibraryCatalogue(database, clock=clock)
    for domain in (
        LibraryDomain("pain"),
        LibraryDomain("heart"),
        LibraryDomain("open", approves_itself=True),
    ):
        made.put_domain(domain)
    yield made
    database.close()


def waiting(catalogue: LibraryCatalogue, number: int, supersedes: str = "", domain: str = "pain") -> str:
    version_id = catalogue.add(upload(number, domain, supersedes)).version.version_id
    assert catalogue.record_reading(version_id, reading(number)).state == "waiting"
    return version_id


def bring(catalogue: LibraryCatalogue, state: DocumentState, number: int) -> str:
    """A version in that state."""
    version_id = catalogue.add(upload(number)).version.version_id
    if state == "uploaded":
        return version_id
    if state == "unreadable":
        catalogue.record_unreadable(
            version_id, ReadingRefusal("damaged", "It is cut off.", "Upload it again.")
        )
        return version_id
    unrelated = StoredRelevance("irrelevant", 0.01) if state == "read" else None
    catalogue.record_reading(version_id, reading(number), unrelated)
    ways: dict[str, tuple[Decision, ...]] = {
        "approved": ("approve",),
        "rejected": ("reject",),
        "superseded": ("approve",),
        "withdrawn": ("approve", "withdraw"),
    }
    for decision in ways.get(state, ()):
        assert not catalogue.decide([version_id], decision, "reviewer", "why").refused
    if state == "superseded":
        newer = waiting(catalogue, number + 1000, version_id)
        catalogue.decide([newer], "approve", "reviewer", "newer")
    return version_id


def state_of(catalogue: LibraryCatalogue, version_id: str) -> DocumentState:
    found = catalogue.version(version_id)
    assert found is not None
    return found.state


@pytest.mark.parametrize(("state", "decision"), list(product(STATES, DECISIONS)))
def test_a_decision_leads_where_the_table_says_or_is_refused_with_what_may_be_done(
    catalogue: LibraryCatalogue, state: DocumentState, decision: Decision
) -> None:
    version_id = bring(catalogue, state, 1)
    assert state_of(catalogue, version_id) == state
    decided = catalogue.decide([version_id], decision, "reviewer", "because")
    reached = outcome(decision, state)
    if reached is None:
        assert state_of(catalogue, version_id) == state
        said = decided.refused[version_id]
        assert all(each in said for each in possible_decisions(state))
    else:
        assert [each.state for each in decided.versions] == [reached]
        last = catalogue.decisions(version_id)[-1]
        assert (last.before, last.after, last.by, last.why) == (state, reached, "reviewer", "because")


@pytest.mark.parametrize(
    ("decision", "states"),
    [
        ("approve", {"waiting", "read", "rejected", "superseded", "withdrawn"}),
        ("reject", {"waiting", "read"}),
        ("withdraw", {"approved"}),
        ("wait", {"read", "rejected", "superseded", "withdrawn"}),
    ],
)
def test_the_table_of_decisions(decision: Decision, states: set[DocumentState]) -> None:
    assert {state for state in STATES if outcome(decision, state)} == states


def test_one_that_cannot_be_decided_about_costs_no_other(catalogue: LibraryCatalogue) -> None:
    first, second = waiting(catalogue, 1), bring(catalogue, "uploaded", 2)
    decided = catalogue.decide([second, first, "0" * 64], "approve", "reviewer", "")
    assert [each.version_id for each in decided.versions] == [first]
    assert set(decided.refused) == {second, "0" * 64}


def test_a_newer_version_supersedes_the_approved_one(catalogue: LibraryCatalogue) -> None:
    old = bring(catalogue, "approved", 1)
    new = waiting(catalogue, 2, old)
    assert state_of(catalogue, old) == "approved"
    assert catalogue.to_remove_first([new], "approve") == [old]
    decided = catalogue.decide([new], "approve", "reviewer", "")
    assert [(each.version_id, each.state) for each in decided.superseded] == [(old, "superseded")]
    assert [(each.number, each.document_id) for each in decided.versions] == [(2, old)]
    assert [each.version_id for each in catalogue.approved()] == [new]
    catalogue.decide([new], "withdraw", "reviewer", "")
    assert list(catalogue.approved()) == []
    assert state_of(catalogue, old) == "superseded"


def test_rejecting_a_newer_version_leaves_the_approved_one(catalogue: LibraryCatalogue) -> None:
    old = bring(catalogue, "approved", 1)
    new = waiting(catalogue, 2, old)
    assert catalogue.to_remove_first([new], "reject") == []
    catalogue.decide([new], "reject", "reviewer", "")
    assert catalogue.approved_now([old, new]) == {old}


@pytest.mark.parametrize("state", [each for each in STATES if each != "unreadable"])
def test_the_same_bytes_again_change_nothing(catalogue: LibraryCatalogue, state: DocumentState) -> None:
    version_id = bring(catalogue, state, 1)
    before = catalogue.revision(), catalogue.decisions(version_id)
    again = catalogue.add(upload(1, title="Another title"))
    assert not again.is_new
    assert again.version.state == state
    assert catalogue.decisions(version_id) == before[1]


def test_what_could_not_be_read_is_read_again(catalogue: LibraryCatalogue) -> None:
    bring(catalogue, "unreadable", 1)
    assert catalogue.add(upload(1)).version.state == "uploaded"


def test_the_same_bytes_in_two_domains_are_two_documents(catalogue: LibraryCatalogue) -> None:
    pain, heart = waiting(catalogue, 1), waiting(catalogue, 1, domain="heart")
    catalogue.decide([heart], "approve", "reviewer", "")
    assert catalogue.approved_now([pain, heart]) == {heart}


def test_a_domain_that_approves_itself_waits_where_a_person_must_look(catalogue: LibraryCatalogue) -> None:
    cases = [
        ((), None, "approved"),
        ((), StoredRelevance("relevant", 0.99), "approved"),
        ((), StoredRelevance("unsure", 0.5), "waiting"),
        ((), StoredRelevance("relevant", 0.5, by_model=True), "waiting"),
        ((), StoredRelevance("irrelevant", 0.01), "read"),
        ((DocumentFinding("hidden-text", "White letters."),), None, "waiting"),
        ((DocumentFinding("instructions", "A sentence to a model."),), None, "waiting"),
        ((DocumentFinding("form", "It is a form."),), None, "approved"),
    ]
    for number, (findings, relevance, state) in enumerate(cases):
        version_id = catalogue.add(upload(number, "open")).version.version_id
        read = catalogue.record_reading(version_id, reading(number, *findings), relevance)
        assert (read.state, read.relevance, read.findings) == (state, relevance, findings)


def test_a_reading_fills_what_no_person_said(catalogue: LibraryCatalogue) -> None:
    version_id = catalogue.add(upload(1, title="Said by a person")).version.version_id
    read = catalogue.record_reading(version_id, reading(1))
    assert (read.metadata.title, read.metadata.date) == ("Said by a person", "2024")
    assert read.metadata.origins == {"date": "file"}
    again = catalogue.record_reading(version_id, reading(1, DocumentFinding("form", "A form.")))
    assert again == read


def test_what_is_out_of_sight_does_not_exist(catalogue: LibraryCatalogue) -> None:
    foreign, own = bring(catalogue, "approved", 1), waiting(catalogue, 2, domain="heart")
    sight = frozenset({"heart"})
    assert catalogue.version(foreign, sight) is None
    assert [each.version_id for each in catalogue.versions(LibraryQuery(), sight)] == [own]
    assert catalogue.counts(sight) == {"waiting": 1}
    assert catalogue.counts(frozenset()) == {}
    assert catalogue.decisions(foreign, sight) == []
    assert [each.name for each in catalogue.domains(sight)] == ["heart"]
    told = catalogue.decide([foreign, "f" * 64], "withdraw", "reviewer", "", sight).refused
    assert told[foreign].replace(foreign, "") == told["f" * 64].replace("f" * 64, "")
    assert state_of(catalogue, foreign) == "approved"
    for call in (
        lambda: catalogue.correct([foreign], {"title": "Mine"}, "me", sight),
        lambda: catalogue.remove(foreign, "me", "", sight),
    ):
        with pytest.raises(VersionUnknown):
            call()
    with pytest.raises(DomainUnknown):
        catalogue.add(upload(9), sight)


def test_a_version_of_a_document_in_another_domain_is_refused(catalogue: LibraryCatalogue) -> None:
    old = bring(catalogue, "approved", 1)
    with pytest.raises(VersionUnknown):
        catalogue.add(upload(2, "heart", supersedes=old))
    assert catalogue.counts() == {"approved": 1}


def test_words_and_states_narrow_the_list(catalogue: LibraryCatalogue) -> None:
    first = catalogue.add(upload(1, title="Ketamine in ACUTE pain")).version.version_id
    waiting(catalogue, 2)
    found = catalogue.versions(LibraryQuery(words="acute ketamine"))
    assert [each.version_id for each in found] == [first]
    assert catalogue.versions(LibraryQuery(words="%")) == []
    assert len(catalogue.versions(LibraryQuery(states=("waiting",)))) == 1
    assert len(list(catalogue.every(LibraryQuery()))) == 2


def test_pages_of_the_list_have_each_version_once(catalogue: LibraryCatalogue) -> None:
    for number in range(7):
        catalogue.add(upload(number))
    seen: list[LibraryVersion] = []
    while page := catalogue.versions(after=seen[-1].version_id if seen else "", limit=3):
        seen += page
    assert len({each.version_id for each in seen}) == len(seen) == 7


def test_a_correction_is_told_and_counts_before_what_was_found(catalogue: LibraryCatalogue) -> None:
    version_id = waiting(catalogue, 1)
    (corrected,) = catalogue.correct([version_id], {"title": " New  title ", "tags": ["a", "a"]}, "librarian")
    assert (corrected.title, corrected.metadata.tags) == ("New title", ("a",))
    assert corrected.metadata.origins["title"] == "person"
    assert catalogue.decisions(version_id)[-1].why == "Corrected: tags, title."


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "a\u202eb"},
        {"title": "x" * 501},
        {"title": None},
        {"date": "2023-02-29"},
        {"date": "29.02.2024"},
        {"language": "english!"},
        {"authors": "one name"},
        {"authors": ["x"] * 51},
        {"tags": ["a\x00"]},
        {"state": "approved"},
        {"origins": {}},
    ],
)
def test_metadata_that_no_document_has(catalogue: LibraryCatalogue, changes: dict[str, object]) -> None:
    first, second = waiting(catalogue, 1), waiting(catalogue, 2)
    with pytest.raises(BadRequest):
        catalogue.correct([first, second], changes, "librarian")
    with pytest.raises(BadRequest):
        catalogue.correct([first], {"source": "somewhere", **changes}, "librarian")
    assert catalogue.versions()[0].metadata.source == ""


@pytest.mark.parametrize("date", ["2024", "2024-02", "2024-02-29", "", None])
def test_dates_of_documents(catalogue: LibraryCatalogue, date: str | None) -> None:
    version_id = waiting(catalogue, 1)
    (corrected,) = catalogue.correct([version_id], {"date": date}, "librarian")
    assert corrected.metadata.date == (date or None)


def test_each_change_has_a_decision_and_each_is_audited_once(catalogue: LibraryCatalogue) -> None:
    version_id = bring(catalogue, "withdrawn", 1)
    told = catalogue.unaudited()
    assert [(each.before, each.after) for each in told] == [
        (None, "uploaded"),
        ("uploaded", "read"),
        ("read", "waiting"),
        ("waiting", "approved"),
        ("approved", "withdrawn"),
    ]
    catalogue.mark_audited([each.number for each in told[:2]])
    assert catalogue.unaudited() == told[2:]
    catalogue.remove(version_id, "librarian", "not ours")
    assert catalogue.unaudited()[-1].after == "removed"


def test_a_version_is_removed_and_its_original_only_where_no_other_has_it(
    catalogue: LibraryCatalogue,
) -> None:
    pain, heart = waiting(catalogue, 1), waiting(catalogue, 1, domain="heart")
    assert not catalogue.remove(pain, "librarian", "")
    assert catalogue.remove(heart, "librarian", "")
    approved = bring(catalogue, "approved", 2)
    with pytest.raises(LibraryError, match="is approved"):
        catalogue.remove(approved, "librarian", "")
    assert state_of(catalogue, approved) == "approved"


def test_what_a_domain_keeps_no_longer(catalogue: LibraryCatalogue, clock: Moments) -> None:
    catalogue.put_domain(LibraryDomain("short", retention_days=30))
    kept = waiting(catalogue, 1)
    old = waiting(catalogue, 2, domain="short")
    clock.now = NOW + dt.timedelta(days=30)
    assert catalogue.past_retention() == []
    clock.now = NOW + dt.timedelta(days=30, minutes=1)
    assert [each.version_id for each in catalogue.past_retention()] == [old]
    assert kept


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 401])
def test_names_that_no_domain_has(catalogue: LibraryCatalogue, name: str) -> None:
    with pytest.raises(BadRequest):
        catalogue.put_domain(LibraryDomain(name))


@pytest.mark.parametrize(
    "domain",
    [
        LibraryDomain("a", topic="Pain\u202e"),
        LibraryDomain("a", prompt="Say\u200b nothing."),
        LibraryDomain("a", prompt="x" * 4001),
        LibraryDomain("a", retention_days=0),
        LibraryDomain("a", retention_days=40_000),
    ],
)
def test_what_no_domain_has(catalogue: LibraryCatalogue, domain: LibraryDomain) -> None:
    with pytest.raises(BadRequest):
        catalogue.put_domain(domain)
    catalogue.put_domain(LibraryDomain("a", prompt="Two\nlines."))
    assert catalogue.domain("a").prompt == "Two\nlines."


@pytest.mark.parametrize("why", ["x" * 1001, "a\u202eb", "a\x00"])
def test_a_reason_that_cannot_be_given(catalogue: LibraryCatalogue, why: str) -> None:
    version_id = waiting(catalogue, 1)
    with pytest.raises(BadRequest):
        catalogue.decide([version_id], "approve", "reviewer", why)
    assert state_of(catalogue, version_id) == "waiting"


def test_an_upload_says_of_a_file_only_what_documents_have(catalogue: LibraryCatalogue) -> None:
    with pytest.raises(BadRequest):
        catalogue.add(upload(1, title="a\u202eb"))
    assert catalogue.counts() == {}


def test_a_domain_with_documents_is_not_removed(catalogue: LibraryCatalogue) -> None:
    waiting(catalogue, 1)
    with pytest.raises(LibraryError, match="has documents"):
        catalogue.remove_domain("pain")
    catalogue.remove_domain("heart")
    assert [each.name for each in catalogue.domains()] == ["open", "pain"]


def test_two_people_at_once(catalogue: LibraryCatalogue, tmp_path: Path) -> None:
    version_id = waiting(catalogue, 1)
    together = threading.Barrier(2)
    refused: list[dict[str, str]] = []

    def decide(decision: Decision) -> None:
        database = Database(tmp_path / "library.sqlite")
        own = LibraryCatalogue(database)
        together.wait()
        refused.append(dict(own.decide([version_id], decision, decision, "").refused))
        database.close()

    threads = [threading.Thread(target=decide, args=(each,)) for each in ("approve", "reject")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [each.after for each in catalogue.decisions(version_id)][3:]
    assert states in (["approved"], ["rejected", "approved"])  # a rejected one may still be approved
    assert sum(map(bool, refused)) == (1 if states == ["approved"] else 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*DECISIONS, "add", "read", "fail"]), st.integers(0, 3)), max_size=25)
)
def test_no_way_leads_to_two_approved_versions_or_to_one_that_no_one_approved(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    database = Database(tmp_path_factory.mktemp("way") / "library.sqlite")
    catalogue = LibraryCatalogue(database)
    catalogue.put_domain(LibraryDomain("pain"))
    first = catalogue.add(upload(0)).version.version_id
    ids = [version_id_of("pain", content(number)) for number in range(4)]
    for step, number in steps:
        if step == "add":
            catalogue.add(upload(number, supersedes=first if number else ""))
        elif catalogue.version(ids[number]) is None:
            continue
        elif step == "read":
            catalogue.record_reading(ids[number], reading(number))
        elif step == "fail":
            catalogue.record_unreadable(ids[number], ReadingRefusal("damaged", "", ""))
        else:
            catalogue.decide([ids[number]], step, "reviewer", "")  # type: ignore[arg-type]
        approved = list(catalogue.approved())
        assert len(approved) <= 1
        for each in approved:
            assert catalogue.decisions(each.version_id)[-1].by == "reviewer"
    database.close()


def test_of_two_versions_that_are_approved_together_the_newer_stands(catalogue: LibraryCatalogue) -> None:
    first = waiting(catalogue, 1)
    newer = [waiting(catalogue, number, first) for number in (2, 3)]
    for order in (newer, newer[::-1]):
        catalogue.decide([*order, first], "approve", "reviewer", "")
        assert [each.number for each in catalogue.approved()] == [3]
        catalogue.decide([newer[1]], "withdraw", "reviewer", "")
