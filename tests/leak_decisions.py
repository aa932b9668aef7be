"""Looks for library documents that are not approved, or no more, or of another domain, while they are decided about:
`python -m tests.leak_decisions`. Those of `tests.leak` stay as they are; here they change under people's eyes.

In every document stand words that stand nowhere else: in its text, its title, its file's name, its tags. People of
different rights search, ask, read, list and probe, several at the same time; between two rounds an administrator
withdraws, supersedes, rejects and approves, so that what was found before must be found no more, also in answers that
were given before. The lists and counts that come back are held against rules of this file. The generator gossips, as
that of `tests.leak`. `--without` takes enforcement away, to show that leaks are then found.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2

from pipeline.config import Settings
from pipeline.indexing.documents.approved import (
    LIBRARY_SOURCE,
    accept_approved,
    approved_records,
    decide,
    still_approved,
)
from pipeline.indexing.documents.intake import Intake
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.library.library import Library
from pipeline.library.versions import LibraryDomain
from pipeline.ports import Generator
from pipeline.records import library_id
from pipeline.reembedding import live_answering
from pipeline.service.access.policy import Role
from pipeline.service.access.visibility import ALL_NOTES, NOTHING, Visibility
from pipeline.service.api import documents as doors
from pipeline.service.library import served_library
from pipeline.service.library.served_library import ServedLibrary
from pipeline.wiring import open_corpus, open_library
from tests.indexing.documents.test_intake import TextReader
from tests.leak import LETTERS, MATTERS, WORD, Corpus, Findings, Gossip, Planted, logs_kept, sent_by, told
from tests.library.papers import column, pdf
from tests.service.running import Running, index, running, settings_in

DOMAINS = ("pain", "heart", "lungs")
STATES = ("approved", "approved", "waiting", "rejected", "withdrawn", "superseded")
"""Of the documents of each domain; a superseded one has an approved successor."""
THREADS = 4
ROUND = 25
"""Operations between two rounds of decisions."""
APPROVED_MIN = 4
"""So many stay, that there is something to find."""
UNKNOWN = "f" * 64
REMOVED = ("nothing", "removal", "desk")


@dataclass
class Shelf:
    """The documents by version id, and how they stand by what was decided here."""

    planted: dict[str, Planted] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)

    def visible(self, who: Visitor, *, at_desk: bool) -> set[str]:
        """`at_desk`: where documents are listed and opened; else where they are searched and cited."""
        return {
            each
            for each, state in self.states.items()
            if who.sees(self.planted[each].domain) and (state == "approved" or (at_desk and who.works))
        }

    def hidden(self, who: Visitor, *, at_desk: bool) -> frozenset[bytes]:
        """The words of all others."""
        shown = self.visible(who, at_desk=at_desk)
        known = frozenset().union(*(self.planted[each].text_words for each in shown))
        return frozenset().union(*(each.text_words for each in self.planted.values())) - known

    def foreign(self, who: Visitor) -> frozenset[bytes]:
        others = [each.text_words for each in self.planted.values() if not who.sees(each.domain)]
        return frozenset().union(*others)


@dataclass
class Visitor:
    name: str
    role: Role
    domains: frozenset[str] | None
    client: httpx2.Client
    browser: httpx2.Client
    said: bytearray = field(default_factory=bytearray)
    conversations: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    @property
    def works(self) -> bool:
        return self.role != "reader"

    def sees(self, domain: str | None) -> bool:
        return self.domains is None or domain in self.domains


@dataclass
class Stage:
    shelf: Shelf
    people: list[Visitor]
    findings: Findings
    questions: Mapping[str, Sequence[str]]
    receipts: list[tuple[bytearray, str]] = field(default_factory=list)
    """What its asker had said, and the receipt."""

    def any(self, dice: random.Random) -> str:
        return dice.choice(sorted(self.shelf.states))

    def look(self, who: Visitor, channel: str, response: httpx2.Response, *, at_desk: bool = False) -> Any:
        """Everything of a response, but for what its reader sent."""
        channel = channel if response.status_code < 400 else f"errors of {channel}"
        hidden = self.shelf.hidden(who, at_desk=at_desk)
        self.findings.look(channel, response.content, hidden, sent_by(response.request) + bytes(who.said))
        with self.findings.lock:
            self.findings.statuses[response.status_code] += 1
        return response.json() if response.headers.get("content-type") == "application/json" else None


# --- what people do


def question_in(stage: Stage, who: Visitor, dice: random.Random) -> dict[str, Any]:
    """One of few for each document, so that answers that were kept are asked for again."""
    approved = sorted(each for each, state in stage.shelf.states.items() if state == "approved")
    version = dice.choice(approved) if dice.random() < 0.5 else stage.any(dice)
    body: dict[str, Any] = {"question": dice.choice(stage.questions[version]), "top_k": dice.choice([5, 50])}
    if dice.random() < 0.2:
        body["filters"] = {"domains": [stage.shelf.planted[version].domain]}
    who.said.extend(body["question"].encode() + b"\n")
    return body


def search(stage: Stage, who: Visitor, dice: random.Random) -> None:
    said = stage.look(who, "search", who.client.post("/v1/search", json=question_in(stage, who, dice)))
    ids = {each["resource_id"] for each in (said or {}).get("passages", [])}
    allowed = set(map(library_id, stage.shelf.visible(who, at_desk=False)))
    with stage.findings.lock:
        stage.findings.looked_at["passages"] += len(ids)
        if {each for each in ids if each.startswith(LIBRARY_SOURCE)} - allowed:
            stage.findings.leaked("search", "a passage of a document out of sight")


def ask(stage: Stage, who: Visitor, dice: random.Random) -> None:
    said = stage.look(who, "answers", who.client.post("/v1/ask", json=question_in(stage, who, dice)))
    if said and "conversation_id" in said:
        with stage.findings.lock:
            stage.findings.answered += said["outcome"] == "answered"
            stage.findings.looked_at["citations"] += len(said["citations"])
            who.conversations.append(said["conversation_id"])
            stage.receipts.append((who.said, said["receipt_id"]))


def ask_streaming(stage: Stage, who: Visitor, dice: random.Random) -> None:
    headers = {"Accept": "text/event-stream"}
    stage.look(
        who, "streams", who.client.post("/v1/ask", json=question_in(stage, who, dice), headers=headers)
    )


def page_asks(stage: Stage, who: Visitor, dice: random.Random) -> None:
    """The page's own form, and the conversations that it led to before."""
    form = {"question": question_in(stage, who, dice)["question"]}
    response = who.browser.post("/ask", data=form, follow_redirects=True)
    stage.look(who, "page answers", response)
    for path in who.pages[-3:]:
        stage.look(who, "page answers", who.browser.get(path))
    if response.url.path.startswith("/conversations/"):
        with stage.findings.lock:
            who.pages.append(response.url.path)


def history(stage: Stage, who: Visitor, dice: random.Random) -> None:
    """One's own answers of before, and somebody else's."""
    stage.look(who, "history", who.client.get("/v1/conversations"))
    other = dice.choice(stage.people)
    for each in [
        *who.conversations[-4:],
        *dice.sample(other.conversations, min(1, len(other.conversations))),
    ]:
        stage.look(who, "history", who.client.get(f"/v1/conversations/{each}"))
        stage.look(who, "history", who.client.get(f"/v1/conversations/{each}/export"))
        stage.look(who, "pages", who.browser.get(f"/conversations/{each}"))


def receipts(stage: Stage, who: Visitor, dice: random.Random) -> None:
    """A receipt keeps what was approved then, for those who could see as much."""
    with stage.findings.lock:
        known = dice.sample(stage.receipts, min(3, len(stage.receipts)))
    for said, receipt in known:
        content = who.client.get(f"/v1/receipts/{receipt}").content
        stage.findings.look("receipts", content, stage.shelf.foreign(who), bytes(said) + bytes(who.said))


def note(stage: Stage, who: Visitor, dice: random.Random) -> None:
    version = stage.any(dice)
    one, other = (
        who.client.get(f"/v1/notes/{library_id(each)}", params=query)
        for query in [dice.choice([{}, {"span": "0-20"}])]
        for each in (version, UNKNOWN)
    )
    stage.look(who, "notes", one)
    stage.look(who, "pages", who.browser.get(f"/notes/{library_id(version)}"))
    if version not in stage.shelf.visible(who, at_desk=False) and told(one) != told(other):
        stage.findings.failed("notes", "one out of sight is not answered as one that is not there")


def document(stage: Stage, who: Visitor, dice: random.Random) -> None:
    version = stage.any(dice)
    part = dice.choice(["", "", "/pages/1", "/pages/1/image?width=60", "/original"])
    one = who.client.get(f"/v1/documents/{version}{part}")
    stage.look(who, "documents", one, at_desk=True)
    stage.look(who, "pages", who.browser.get(f"/library/{version}"), at_desk=True)
    if version in stage.shelf.visible(who, at_desk=True):
        if one.status_code != 200 and "image" not in part:
            stage.findings.failed("documents", f"{one.status_code} for one in sight")
        return
    other = who.client.get(f"/v1/documents/{UNKNOWN}{part}")
    if one.status_code != 404 or repr(told(one)).replace(version, UNKNOWN) != repr(told(other)):
        stage.findings.failed("documents", "one out of sight is not answered as one that is not there")


def listed(stage: Stage, who: Visitor, dice: random.Random) -> None:
    """A list has what fits and is in sight, and counts no more."""
    version = stage.any(dice)
    planted, shelf = stage.shelf.planted[version], stage.shelf
    word = dice.choice(sorted(planted.problems))
    query, fits = dice.choice(_lists(shelf, version, word))
    seen = shelf.visible(who, at_desk=True)
    page = who.client.get("/v1/documents", params={"limit": 200, **query})
    said = stage.look(who, "lists", page, at_desk=True)
    stage.look(who, "pages", who.browser.get("/library", params=query), at_desk=True)
    if {each["version_id"] for each in said["documents"]} != {each for each in seen if fits(each)}:
        stage.findings.failed("lists", f"others are listed than fit and are in sight: {query}")
    if said["counts"] != Counter(shelf.states[each] for each in seen):
        stage.findings.failed("counts", f"{said['counts']} to {who.name}")
    with stage.findings.lock:
        stage.findings.looked_at["listed"] += len(said["documents"])


def _lists(shelf: Shelf, version: str, word: str) -> Sequence[tuple[dict[str, Any], Callable[[str], bool]]]:
    domain, state = shelf.planted[version].domain, shelf.states[version]
    document_id = shelf.documents[version]
    return (
        ({}, lambda each: True),
        ({"domain": domain}, lambda each: shelf.planted[each].domain == domain),
        ({"state": state}, lambda each: shelf.states[each] == state),
        ({"words": word}, lambda each: word in shelf.planted[each].problems),
        ({"document_id": document_id}, lambda each: shelf.documents[each] == document_id),
    )


def counted(stage: Stage, who: Visitor, dice: random.Random) -> None:
    """Where nothing of the library may be told at all, or only what is in sight."""
    path = dice.choice(
        ["/v1/status", "/v1/suggestions", "/v1/patients", "/v1/domains", "/v1/me", "/v1/jobs", "/metrics"]
    )
    stage.look(who, "numbers", who.client.get(path))
    page = dice.choice(
        ["/", "/status", "/patients", "/suggest/questions", "/conversations", "/jobs", "/films"]
    )
    stage.look(who, "pages", who.browser.get(page), at_desk=False)
    word = dice.choice(sorted(stage.shelf.planted[stage.any(dice)].problems))
    query = {"query": word}
    stage.look(who, "numbers", who.client.get("/v1/patients", params=query))
    texts = frozenset().union(*(each.text_words for each in stage.shelf.planted.values()))
    stage.findings.look("audit", who.client.get("/v1/audit?limit=200").content, texts)


def tries(stage: Stage, who: Visitor, dice: random.Random) -> None:
    """To change what is out of sight: refused as what is not there, and with no word of it."""
    hidden = set(stage.shelf.states) - stage.shelf.visible(who, at_desk=True)
    if not hidden:
        return
    version = dice.choice(sorted(hidden))
    said = []
    for each in (version, UNKNOWN):
        deciding = who.client.post("/v1/documents/decisions", json={"versions": [each], "decision": "wait"})
        correcting = who.client.patch("/v1/documents", json={"versions": [each], "changes": {"tags": ["x"]}})
        removing = who.client.delete(f"/v1/documents/{each}")
        for response in (deciding, correcting, removing):
            stage.look(who, "changes", response, at_desk=True)
        told_of = [
            (one.status_code, one.json().get("detail"), one.json().get("refused"))
            for one in (deciding, correcting, removing)
        ]
        said.append(repr(told_of).replace(each, UNKNOWN))
    if said[0] != said[1]:
        stage.findings.failed("changes", "one out of sight is not answered as one that is not there")


OPERATIONS: Mapping[Callable[[Stage, Visitor, random.Random], None], int] = {
    search: 24,
    ask: 22,
    ask_streaming: 8,
    page_asks: 8,
    history: 10,
    receipts: 4,
    note: 10,
    document: 14,
    listed: 14,
    counted: 6,
    tries: 4,
}


# --- what is there


def plant(library: Library, settings: Settings, dice: random.Random, folder: Path) -> Shelf:
    """Documents of every state in every domain, those that are approved indexed."""
    shelf, intake = Shelf(), Intake(library, TextReader())
    for domain in DOMAINS:
        library.catalogue.put_domain(LibraryDomain(domain))
    with open_corpus(settings) as corpus:
        indexing = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            RejectionLog(None),
            SilentObserver(),
            vector_cache=corpus.vector_cache,
            accept=accept_approved,
            still_held=still_approved(library.catalogue),
        )
        first = {domain: [_paper(intake, shelf, dice, domain, folder) for _ in STATES] for domain in DOMAINS}
        _settle(library, indexing, shelf, "approve", [e for domain in DOMAINS for e in first[domain]])
        indexing.run(approved_records(intake), sources=[LIBRARY_SOURCE], prune=True)
        for domain in DOMAINS:
            for version, state in zip(first[domain], STATES, strict=True):
                if state == "superseded":
                    newer = _paper(intake, shelf, dice, domain, folder, supersedes=version)
                    _settle(library, indexing, shelf, "approve", [newer])
                elif state != "approved":
                    _settle(library, indexing, shelf, "withdraw", [version])
                if state in ("waiting", "rejected"):
                    _settle(library, indexing, shelf, "wait", [version])
                if state == "rejected":
                    _settle(library, indexing, shelf, "reject", [version])
            for _ in range(4):
                newer = _paper(
                    intake, shelf, dice, domain, folder, supersedes=first[domain][dice.choice([0, 1])]
                )
        indexing.run(approved_records(intake), sources=[LIBRARY_SOURCE], prune=True)
    return shelf


def _settle(library: Library, indexing: Indexing, shelf: Shelf, decision: Any, versions: list[str]) -> None:
    done = decide(library.catalogue, indexing.committer.remove, versions, decision, "somebody", "")
    assert not done.refused, done.refused
    shelf.states.update({each.version_id: each.state for each in (*done.versions, *done.superseded)})


def _paper(
    intake: Intake, shelf: Shelf, dice: random.Random, domain: str, folder: Path, supersedes: str = ""
) -> str:
    def word() -> str:
        return "zq" + "".join(dice.choice(LETTERS) for _ in range(9))

    sentences = [
        f"Give {word()} {dice.randint(1, 90)} mg daily for {dice.choice(MATTERS)} and watch {word()}."
        for _ in range(6)
    ]
    named, titled, tagged = word(), word(), word()
    name = f"{named}.{dice.choice(['txt', 'pdf'])}"
    path = folder / name
    lines = "\n".join(sentences)
    path.write_bytes(pdf(column(lines)) if name.endswith("pdf") else lines.encode())
    version = intake.take(path, name, domain, "librarian", supersedes=supersedes).version
    intake.library.catalogue.correct(
        [version.version_id], {"title": f"Guide {titled}", "tags": [tagged]}, "librarian"
    )
    shelf.states[version.version_id] = version.state
    shelf.documents[version.version_id] = version.document_id
    shelf.planted[version.version_id] = Planted(
        library_id(version.version_id),
        "",
        domain,
        {},
        frozenset(WORD.findall(f"{lines} {named} {titled} {tagged}".encode())),
        tuple(sentences),
        titled,
        frozenset({named, titled}),
    )
    return version.version_id


def people_of(service: Running) -> list[Visitor]:
    cast: list[tuple[str, Role, frozenset[str] | None]] = [
        ("all", "reader", None),
        ("pain", "reader", frozenset({"pain"})),
        ("two", "reader", frozenset({"pain", "heart"})),
        ("none", "reader", frozenset()),
        ("librarian", "contributor", frozenset({"heart"})),
        ("reviewer", "reviewer", frozenset({"lungs"})),
        ("officer", "reviewer", None),
    ]
    found = []
    for name, role, domains in cast:
        sees = ALL_NOTES if domains is None else Visibility(domains, None) if domains else NOTHING
        client = service.client(service.key(role, name=name, sees=sees))
        found.append(Visitor(name, role, domains, client, service.browser(role, sees=sees)))
    return found


def questions_of(planted: Planted) -> Sequence[str]:
    """Near it by its common words alone, and by its own."""
    plain = WORD.sub(b"it", planted.sentences[0].encode()).decode()
    word = WORD.findall(planted.sentences[1].encode())[0].decode()
    return (
        plain,
        planted.sentences[2],
        f"What is {word} given for?",
        f"How many patients have {word}?",
        f"What is the dose of {word}?",
    )


def decisions(stage: Stage, administrator: httpx2.Client, dice: random.Random) -> None:
    """One of each kind, where it can be made about one. What comes after is held against the new state."""
    shelf = stage.shelf
    for decision, before in (
        ("withdraw", "approved"),
        ("approve", "waiting"),
        ("reject", "waiting"),
        ("wait", "withdrawn"),
        ("wait", "rejected"),
        ("wait", "superseded"),
    ):
        versions = [each for each in sorted(shelf.states) if shelf.states[each] == before]
        if len(versions) <= (APPROVED_MIN if before == "approved" else 0) or dice.random() < 0.5:
            continue
        body = {"versions": [dice.choice(versions)], "decision": decision}
        said = administrator.post("/v1/documents/decisions", json=body).raise_for_status().json()
        shelf.states.update(
            {each["version_id"]: each["state"] for each in (*said["documents"], *said["superseded"])}
        )
        with stage.findings.lock:
            stage.findings.operations[f"decisions, {decision}"] += len(said["documents"])
            stage.findings.operations["decisions, superseded"] += len(said["superseded"])


def perform(stage: Stage, operations: int, seed: int, between: Callable[[], None]) -> None:
    kinds, weights = list(OPERATIONS), list(OPERATIONS.values())
    plan = random.Random(seed).choices(kinds, weights, k=operations)

    def one(number: int) -> None:
        dice = random.Random(seed * 1_000_003 + number)
        plan[number](stage, dice.choice(stage.people), dice)
        with stage.findings.lock:
            stage.findings.operations[plan[number].__name__] += 1

    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, operations, ROUND):
            between()
            for done in [pool.submit(one, n) for n in range(start, min(start + ROUND, operations))]:
                done.result()


@contextmanager
def without(what: str) -> Iterator[None]:
    """Takes enforcement away: what is withdrawn stays in the store; or every reader stands at the desk."""
    with contextlib.ExitStack() as stack:
        if what == "removal":
            nothing = contextlib.nullcontext(lambda ids: 0)
            stack.enter_context(mock.patch.object(served_library, "open_removal", return_value=nothing))
            stack.enter_context(mock.patch.object(ServedLibrary, "wake"))
        if what == "desk":
            stack.enter_context(mock.patch.object(doors, "_works_with_documents", return_value=True))
        yield


def run(folder: Path, operations: int, *, seed: int = 1, removed: str = "nothing") -> Findings:
    """The findings of one run on a fresh library and service in `folder`."""
    dice, findings = random.Random(seed), Findings()
    settings = settings_in(folder / "data", service={"answers_each_max": 64, "answers_waiting_max": 512})
    index(settings)
    with open_library(settings) as library:
        shelf = plant(library, settings, dice, folder)
    corpus = Corpus(list(shelf.planted.values()))
    for each in corpus.notes:
        corpus.owners.update({word: [each] for word in each.text_words})
    open_generator = live_answering.open_generator

    def opened(settings: Settings, embedder: Any) -> Generator:
        return Gossip(open_generator(settings, embedder), corpus, findings, seed)

    with (
        mock.patch.object(live_answering, "open_generator", opened),
        logs_kept() as kept,
        without(removed),
        running(settings) as service,
        open_corpus(settings) as beside,
    ):
        questions = {each: questions_of(planted) for each, planted in shelf.planted.items()}
        stage = Stage(shelf, people_of(service), findings, questions)
        administrator = service.client(service.key("administrator"))

        def between() -> None:
            decisions(stage, administrator, dice)
            approved = {library_id(each) for each, state in shelf.states.items() if state == "approved"}
            held = {each for each, _ in beside.store.chunk_ids() if each.startswith(LIBRARY_SOURCE)}
            findings.looked_at["documents in the store"] += len(held)
            if held - approved:
                findings.failed("store", f"{len(held - approved)} documents that are not approved")

        perform(stage, operations, seed, between)
    findings.look("logs", "\n".join(kept.lines).encode(), corpus.words)
    return findings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.leak_decisions", description=__doc__)
    parser.add_argument("--operations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--without", choices=REMOVED, default="nothing", help="take this much enforcement away"
    )
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="chartwell-leak-") as folder:
        findings = run(Path(folder), given.operations, seed=given.seed, removed=given.without)
    print(f"seed {given.seed}, {time.perf_counter() - started:.0f} s")
    for title, counted_ in (
        ("done", findings.operations),
        ("answers with status", findings.statuses),
        ("looked at (bytes; numbers)", findings.looked_at),
    ):
        print(f"{title}: " + ", ".join(f"{name} {n:,}" for name, n in sorted(counted_.items(), key=str)))
    print(f"questions answered with citations: {findings.answered:,}")
    for example in findings.examples:
        print(f"  {example}")
    print("leaks: " + (", ".join(f"{name} {n:,}" for name, n in findings.leaks.items()) or "0"))
    return 1 if findings.leaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
