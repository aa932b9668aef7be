"""Looks for what a user may not see in whatever the service says to them: `python -m tests.leak`.

A seeded corpus in which every note holds words that stand nowhere else: in its text, its section headings, its ids, its
author. People of different rights ask, search, read, probe and complain, several at the same time, over HTTP; every
byte that comes back is searched for the words of notes that are out of their sight, but for those that they sent
themselves. Both retrievers are also watched inside, match by match. Logs and metrics may hold none of the words
at all, the audit log no word of a text.

The generator is as bad as can be: now and then it tells all that its prompt held, quotes notes that it was not given,
or fails with a sentence of a note as its message. `--without` takes the enforcement away, in part or whole, to show
that leaks are then found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import Settings
from pipeline.errors import ConnectionBroken
from pipeline.logs import LOGGER, JsonFormatter
from pipeline.ports import Generator, Store
from pipeline.records import (
    EVERYTHING,
    NO_PATIENT,
    AccessScope,
    ChunkOfPatient,
    DraftPiece,
    Filters,
    GeneratorModel,
    Match,
    Prompt,
    library_id,
)
from pipeline.reembedding import live_answering
from pipeline.service.access.policy import Role
from pipeline.service.access.visibility import ALL_NOTES, NOTHING, Visibility
from pipeline.service.database.tables import PatientGroup, PatientGroupMember
from pipeline.wiring import open_corpus
from tests.leak_documents import DocumentVisits, plant_documents
from tests.leak_images import ImageVisits, PlantedImages, image_searches_watched, plant
from tests.service.running import Running, index, running, settings_in

WORD = re.compile(rb"zq[b-df-hj-np-tv-z]{9}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
"""A planted word: no other text holds anything like it, also not as part of something longer. Or the id of an image,
which counts where it is one that was planted."""
LETTERS = "bcdfghjklmnpqrstvwxyz"
NOTES, PATIENTS, DOMAINS = 160, 30, 6
FAMILIES, CONDITIONS = 8, 12
"""Words that several notes share: surnames, so that a name is of several patients, and problems that several have."""
TYPES = ("progress note", "radiology report", "discharge summary")
MATTERS = ("chest pain", "asthma", "diabetes", "fever", "knee pain", "hypertension", "pneumonia", "migraine")
THREADS = 4
REMOVED = ("nothing", "all", "legs", "vector", "words", "admits", "register")


@dataclass(frozen=True)
class Planted:
    """One note of the corpus and its words."""

    resource_id: str
    patient_id: str
    domain: str | None
    fields: Mapping[str, Any]
    text_words: frozenset[bytes]
    sentences: tuple[str, ...]
    name: str
    """Of its patient: the first name is in no other note, the surname is others', too."""
    problems: frozenset[str]
    """Those that it lists; other notes list them, too."""
    version_id: str = ""
    """Of a library document."""
    in_use: bool = True
    """Of a library document: whether it is the approved version."""

    @property
    def words(self) -> frozenset[bytes]:
        return frozenset(WORD.findall(json.dumps(self.fields).lower().encode()))


@dataclass
class Corpus:
    """What was planted, and who of it a scope admits, by rules of its own."""

    notes: list[Planted]
    owners: dict[bytes, list[Planted]] = field(default_factory=dict)
    """The notes and documents that show a word; a patient's id is shown by each of their notes."""
    documents: list[Planted] = field(default_factory=list)
    """Of the library."""

    @property
    def words(self) -> frozenset[bytes]:
        return frozenset(self.owners)

    @property
    def everything(self) -> list[Planted]:
        return [*self.notes, *self.documents]

    def seen(self, scope: AccessScope) -> list[Planted]:
        return [note for note in self.notes if admitted(note, scope)]

    def searched(self, scope: AccessScope) -> list[Planted]:
        """Notes and documents."""
        return [each for each in self.everything if admitted(each, scope)]

    def forbidden(self, scope: AccessScope) -> frozenset[bytes]:
        seen = {each.resource_id for each in self.searched(scope)}
        return frozenset(
            word for word, notes in self.owners.items() if not any(note.resource_id in seen for note in notes)
        )


def admitted(note: Planted, scope: AccessScope) -> bool:
    """The rule of `AccessScope` once more: this must not be what is tested."""
    domains, patients = scope.domains, scope.patient_ids
    own = patients is None or note.patient_id in patients or (note.version_id != "" and len(patients) > 0)
    return note.in_use and own and (domains is None or (note.domain is not None and note.domain in domains))


def planted(dice: random.Random, notes: int) -> Corpus:
    used: set[str] = set()

    def word() -> str:
        while True:
            made = "zq" + "".join(dice.choice(LETTERS) for _ in range(9))
            if made not in used:
                used.add(made)
                return made

    patients = [f"pat-{word()}" for _ in range(PATIENTS)]
    families, conditions = [word() for _ in range(FAMILIES)], [word() for _ in range(CONDITIONS)]
    domains = [*(f"dom {word()}, {name}'s" for name in "abcdef"[:DOMAINS]), None]
    corpus = Corpus([])
    for _ in range(notes):
        sections, sentences = [], []
        for heading in ("HISTORY", "ASSESSMENT"):
            matter = dice.choice(MATTERS)
            own = [
                f"The patient reports {matter} since {word()}.",
                f"Continue {word()} {dice.randint(1, 90)} mg daily for {matter}.",
                f"No fever. Follow-up about {word()} in {dice.randint(2, 12)} weeks.",
            ]
            sections.append(f"{heading} {word().upper()}\n\n{' '.join(own)}")
            sentences += own
        problems = dice.sample(conditions, 2)
        sections.append("PROBLEMS\n\n" + "\n".join(f"- {each}" for each in problems))
        name = f"{word().title()} {dice.choice(families).title()}"
        text = "\n\n".join([f"Patient: {name}\nDOB: 19{dice.randint(10, 99)}-01-02", *sections])
        fields = {
            "resource_id": f"note-{word()}",
            "patient_id": dice.choice(patients),
            "document_type": dice.choice(TYPES),
            "date": f"20{dice.randint(10, 24)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
            "author": f"Dr. {word()}",
            "encounter_id": f"enc-{word()}",
            "text_content": text,
        }
        if domain := dice.choice(domains):
            fields["domain"] = domain
        note = Planted(
            fields["resource_id"],
            fields["patient_id"],
            fields.get("domain"),
            fields,
            frozenset(WORD.findall(text.lower().encode())),
            tuple(sentences),
            name,
            frozenset(problems),
        )
        corpus.notes.append(note)
        for found in set(WORD.findall(json.dumps(fields).lower().encode())):
            corpus.owners.setdefault(found, []).append(note)
    return corpus


def with_documents(corpus: Corpus, settings: Settings, folder: Path, dice: random.Random) -> Corpus:
    """Five documents of each domain, in words of their own."""

    def word() -> str:
        return "zq" + "".join(dice.choice(LETTERS) for _ in range(9))

    def text() -> str:
        matter = dice.choice(MATTERS)
        return (
            f"GUIDELINE {word().upper()}\n\nPatients report {matter} since {word()}. Continue {word()} "
            f"{dice.randint(1, 90)} mg daily for {matter}. Follow-up about {word()} in {dice.randint(2, 12)} weeks."
        )

    texts = {
        domain: [text() for _ in range(5)] for domain in sorted({n.domain for n in corpus.notes if n.domain})
    }
    for version_id, domain, written_text, in_use in plant_documents(settings, folder, texts):
        words = frozenset(WORD.findall(written_text.lower().encode()))
        first, second, *_ = sorted(each.decode().title() for each in words)
        made = Planted(
            library_id(version_id),
            NO_PATIENT,
            domain,
            {"domain": domain, "text_content": written_text},
            words,
            tuple(written_text.partition("\n\n")[2].split(". ")),
            f"{first} {second}",
            frozenset([first.lower()]),
            version_id,
            in_use,
        )
        corpus.documents.append(made)
        for found in made.words:
            corpus.owners.setdefault(found, []).append(made)
    return corpus


# --- watching


@dataclass
class Findings:
    """What was looked at and what was found. Safe to share between threads."""

    operations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    looked_at: Counter[str] = field(default_factory=Counter)
    """Bytes by channel; matches by retriever."""
    leaks: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, channel: str, content: bytes, forbidden: frozenset[bytes], sent: bytes = b"") -> None:
        found = set(WORD.findall(content.lower())) & forbidden
        found -= set(WORD.findall(sent.lower()))
        with self.lock:
            self.looked_at[channel] += len(content)
            if found:
                self.leaked(channel, f"{len(found)} words of notes out of sight", len(found))

    def failed(self, channel: str, what: str) -> None:
        """As `leaked`, for whoever does not hold the lock."""
        with self.lock:
            self.leaked(channel, what)

    def leaked(self, channel: str, what: str, number: int = 1) -> None:
        self.leaks[channel] += number
        if len(self.examples) < 12:
            self.examples.append(f"{channel}: {what}")


@contextmanager
def legs_watched(corpus: Corpus, chunks: Mapping[str, str], findings: Findings) -> Iterator[None]:
    """Every match that a retriever hands out, against the scope that it was given. `chunks`: the note of each."""
    notes = {each.resource_id: each for each in corpus.everything}

    def watched(retriever: str, search: Callable[..., list[Match]]) -> Callable[..., list[Match]]:
        def call(store: EmbeddedStore, asked: Any, k: int, filters: Filters) -> list[Match]:
            matches = search(store, asked, k, filters)
            wrong = sum(not admitted(notes[chunks[match.chunk_id]], filters.scope) for match in matches)
            with findings.lock:
                findings.looked_at[f"matches {retriever}"] += len(matches)
                if wrong:
                    findings.leaked(f"retriever {retriever}", f"{wrong} matches outside the scope", wrong)
            return matches

        return call

    def chunks_watched(
        store: EmbeddedStore, terms: Any, filters: Filters, *, limit: int
    ) -> list[ChunkOfPatient]:
        found = chunks_with(store, terms, filters, limit=limit)
        wrong = sum(not admitted(notes[chunks[each.chunk_id]], filters.scope) for each in found)
        with findings.lock:
            findings.looked_at["matches by all words"] += len(found)
            if wrong:
                findings.leaked("retriever by all words", f"{wrong} chunks outside the scope", wrong)
        return found

    chunks_with = EmbeddedStore.chunks_with
    with (
        mock.patch.object(EmbeddedStore, "chunks_with", chunks_watched),
        mock.patch.object(EmbeddedStore, "search_vector", watched("by vector", EmbeddedStore.search_vector)),
        mock.patch.object(EmbeddedStore, "search_words", watched("by words", EmbeddedStore.search_words)),
    ):
        yield


class Kept(logging.Handler):
    """Log lines as they would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record) + (str(record.exc_info[1]) if record.exc_info else ""))


@contextmanager
def logs_kept() -> Iterator[Kept]:
    kept = Kept()
    loggers = [
        LOGGER,
        *(logging.getLogger(name) for name in ("asyncio", "uvicorn", "sqlalchemy", "fastapi")),
    ]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(kept)
        logger.setLevel(logging.DEBUG if logger is LOGGER else logging.INFO)
        logger.propagate = False
    try:
        yield kept
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(kept)
            logger.setLevel(level)
            logger.propagate = propagate


# --- a generator that gossips


class Gossip:
    """Answers as the real one does; or tells all that it was given, so that a prompt shows in its answer, and quotes
    notes that it was not given; or breaks with such a sentence on its lips."""

    def __init__(self, inner: Generator, corpus: Corpus, findings: Findings, seed: int) -> None:
        self._inner = inner
        self._corpus = corpus
        self._findings = findings
        self._dice = random.Random(seed)
        self.kinds: Counter[str] = Counter()

    @property
    def model(self) -> GeneratorModel:
        return self._inner.model

    def check(self) -> None:
        self._inner.check()

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        given = {hit.resource_id for hit in prompt.passages}
        others = frozenset(
            word
            for word, notes in self._corpus.owners.items()
            if not any(n.resource_id in given for n in notes)
        )
        prompted = f"{prompt.system}\n{prompt.user}".encode()
        self._findings.look("prompts", prompted, others, prompt.question.encode())
        chance = self._dice.random()
        if chance < 0.6:
            self.kinds["honest"] += 1
            yield from self._inner.stream(prompt)
            return
        for (
            line
        ) in prompt.user.splitlines():  # all that it was given, passage by passage and in its own words
            if WORD.search(line.lower().encode()):
                yield DraftPiece(f"{line} [1]\n")
        notes = self._dice.sample(self._corpus.everything, 6)
        for note in notes:
            yield DraftPiece(f'"{self._dice.choice(note.sentences)}" [1]\n')
        if chance < 0.9:
            self.kinds["gossip"] += 1
            return
        self.kinds["broken"] += 1
        if chance < 0.95:
            raise ConnectionBroken("The model server went away.", remedy="Ask again.")
        raise RuntimeError(f"{notes[0].sentences[0]} {notes[0].resource_id}")


# --- people and what they do


@dataclass
class Asker:
    name: str
    role: Role
    scope: AccessScope
    forbidden: frozenset[bytes]
    client: httpx2.Client
    browser: httpx2.Client
    """Of another person with the same rights, signed in to the page."""
    may_read_audit: bool
    said: bytearray = field(default_factory=bytearray)
    """All that they ever sent: their own words stand in their history and its titles."""


@dataclass
class Stage:
    corpus: Corpus
    service: Running
    people: list[Asker]
    findings: Findings
    store: Store
    """Of the same corpus: what no page shows yet is asked here."""
    images: PlantedImages
    conversations: list[tuple[str, str, str]] = field(default_factory=list)
    """(whose, conversation, receipt)."""


def people_of(corpus: Corpus, service: Running, dice: random.Random) -> list[Asker]:
    domains = sorted({note.domain for note in corpus.notes if note.domain})
    patients = sorted({note.patient_id for note in corpus.notes})

    def group(name: str, members: Sequence[str]) -> str:
        with service.state.session() as session:
            made = PatientGroup(name=name)
            session.add(made)
            session.flush()
            session.add_all(PatientGroupMember(group_id=made.id, patient_id=each) for each in members)
            return made.id

    few, half = dice.sample(patients, 3), dice.sample(patients, len(patients) // 2)
    crowd = [*half, *(f"nobody-{number}" for number in range(800))]
    groups = {
        "few": (group("few", few), few),
        "half": (group("half", crowd), crowd),
        "none": (group("none", []), []),
    }
    one, three = frozenset(domains[:1]), frozenset(domains[1:4])
    cast: list[tuple[str, Role, frozenset[str] | None, str | None]] = [
        ("all", "reader", None, None),
        ("one-domain", "reader", one, None),
        ("three-domains", "contributor", three, None),
        ("few-patients", "reader", None, "few"),
        ("half-of-patients", "reader", None, "half"),
        ("both", "reader", three, "half"),
        ("both-few", "reader", one, "few"),
        ("empty-group", "reader", None, "none"),
        ("no-domain", "reader", frozenset(), None),
        ("reviewer", "reviewer", three, None),
        ("administrator", "administrator", None, "few"),
        ("officer", "reviewer", None, None),
    ]
    found = []
    for name, role, seen_domains, seen_group in cast:
        group_ids = None if seen_group is None else frozenset({groups[seen_group][0]})
        members = None if seen_group is None else frozenset(groups[seen_group][1])
        sees = Visibility(seen_domains, group_ids) if (seen_domains, group_ids) != (None, None) else ALL_NOTES
        scope = AccessScope(seen_domains, members)
        client = service.client(service.key(role, name=name, sees=sees))
        found.append(
            Asker(
                name,
                role,
                scope,
                corpus.forbidden(scope),
                client,
                service.browser(role, sees=sees),
                role in ("reviewer", "administrator"),
            )
        )
    sees_nothing = service.client(service.key("reader", name="sees-nothing", sees=NOTHING))
    nothing = AccessScope(frozenset(), frozenset())
    browser = service.browser("reader", sees=NOTHING)
    found.append(
        Asker("sees-nothing", "reader", nothing, corpus.forbidden(nothing), sees_nothing, browser, False)
    )
    return found


def sent_by(request: httpx2.Request) -> bytes:
    return request.url.raw_path + request.read()


def checked(
    stage: Stage, who: Asker, channel: str, response: httpx2.Response, known: bytes = b""
) -> httpx2.Response:
    """Everything of a response that its reader sees: status line, headers, body. `known`: words that are not out of
    their sight, for they were asked by them or by those whose questions they may read."""
    head = "\n".join(f"{name}: {value}" for name, value in response.headers.items()).encode()
    channel = channel if response.status_code < 400 else f"errors of {channel}"
    sent = sent_by(response.request) + known
    stage.findings.look(channel, head + b"\n" + response.content, who.forbidden, sent)
    with stage.findings.lock:
        stage.findings.statuses[response.status_code] += 1
    return response


def remember(who: Asker, body: Mapping[str, Any]) -> None:
    who.said.extend(json.dumps(body).encode() + b"\n")


def question_of(stage: Stage, dice: random.Random) -> str:
    """Words or a whole sentence of any note or document: the nearest there is to it for both retrievers, whoever
    asks."""
    note = dice.choice(stage.corpus.everything)
    sentence = dice.choice(note.sentences)
    plain = WORD.sub(b"it", sentence.encode()).decode()
    word = dice.choice(sorted(note.text_words)).decode()
    given, family = note.name.split()
    return dice.choice(
        [
            sentence,
            plain,
            f"What about {word}?",
            f"{dice.choice(MATTERS)} {word}",
            f"Which patients have {dice.choice(MATTERS)}?",
            f"{note.patient_id} {dice.choice(MATTERS)}",
            f"What medications is {note.name} taking?",
            f"What medications is {given[:-1]}x {family} taking?",
            f"What is Ms. {family} allergic to?",
            f"Which patients have {word}?",
        ]
    )


def wishes(stage: Stage, dice: random.Random) -> dict[str, Any]:
    """Filters, often for what is out of sight."""
    note = dice.choice(stage.corpus.everything)
    found: dict[str, Any] = {}
    if dice.random() < 0.25:
        found["patient_ids"] = [note.patient_id]
    if dice.random() < 0.2 and note.domain:
        found["domains"] = [note.domain]
    if dice.random() < 0.1:
        found["document_types"] = [dice.choice(TYPES)]
    if dice.random() < 0.1:
        found["since"] = "2016-01-01"
    return found


def asked(stage: Stage, who: Asker, dice: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"question": question_of(stage, dice), "top_k": dice.choice([1, 5, 20, 100])}
    if filters := wishes(stage, dice):
        body["filters"] = filters
    remember(who, body)
    return body


def search(stage: Stage, who: Asker, dice: random.Random) -> None:
    checked(stage, who, "search", who.client.post("/v1/search", json=asked(stage, who, dice)))


def ask(stage: Stage, who: Asker, dice: random.Random) -> None:
    response = checked(stage, who, "answers", who.client.post("/v1/ask", json=asked(stage, who, dice)))
    if response.status_code == 200:
        said = response.json()
        count_patients(stage, who, "answers", [near for told in said["notices"] for near in told["near"]])
        with stage.findings.lock:
            stage.findings.answered += said["outcome"] == "answered"
            stage.conversations.append((who.name, said["conversation_id"], said["receipt_id"]))
        if not stage.corpus.searched(who.scope) and (said["outcome"], said["reason"]) != (
            "nothing_relevant",
            "no_documents",
        ):
            with stage.findings.lock:
                stage.findings.leaked(
                    "reasons", f"{said['outcome']}, {said['reason']} to a user who sees nothing"
                )


def lists_and_counts(stage: Stage, who: Asker, dice: random.Random) -> None:
    """Who has a problem, how many have it, how many visits somebody had, a summary: each number by rules of its own."""
    note = dice.choice(stage.corpus.notes)
    problem = dice.choice(sorted(note.problems))
    seen = stage.corpus.seen(who.scope)
    people = {each.patient_id for each in seen if problem in each.problems}
    days = {str(each.fields["date"]) for each in seen if each.patient_id == note.patient_id}
    question, expected, cited = dice.choice(
        [
            (f"Which patients have {problem}?", len(people), people),
            (f"How many patients have {problem}?", len(people), people),
            (f"How many visits has patient {note.patient_id} had?", len(days), {note.patient_id}),
            (f"Summarise the visit of {note.name}", None, {each.patient_id for each in seen}),
        ]
    )
    body = {"question": question}
    remember(who, body)
    response = checked(stage, who, "lists and counts", who.client.post("/v1/ask", json=body))
    if response.status_code != 200:
        return
    said = response.json()
    shown = {citation["patient_id"] for citation in said["citations"]}
    first = said["statements"][0]["text"].split()[0] if said["statements"] else "0"
    number = int(first) if first.isdigit() else None
    with stage.findings.lock:
        if said["model"]["model"] == "note-structure" and expected is not None and number != expected:
            stage.findings.leaked("lists and counts", f"{number} instead of {expected}")
        # A generator that gossips quotes whoever its prompt was given, but no one out of sight.
        own = said["model"]["model"] == "note-structure"
        searched = {each.patient_id for each in stage.corpus.searched(who.scope)}
        if shown - (cited if own else searched):
            stage.findings.leaked("lists and counts", "of other patients, or of patients out of sight")
        stage.findings.looked_at["numbers told"] += bool(number)


def ask_streaming(stage: Stage, who: Asker, dice: random.Random) -> None:
    """The bytes of the stream, sometimes left in the middle."""
    leave = dice.random() < 0.15
    headers = {"Accept": "text/event-stream"}
    with who.client.stream("POST", "/v1/ask", json=asked(stage, who, dice), headers=headers) as response:
        content = b""
        for piece in response.iter_raw():
            content += piece
            if leave and b"event: retrieval" in content:
                break
    with stage.findings.lock:
        stage.findings.statuses[response.status_code] += 1
        stage.findings.answered += b'"outcome":"answered"' in content.replace(b" ", b"")
    stage.findings.look("streams", content, who.forbidden, sent_by(response.request))


def read_note(stage: Stage, who: Asker, dice: random.Random) -> None:
    note = dice.choice(stage.corpus.everything)
    span = dice.choice(["", "?span=0-20", "?span=0-999999", "?span=9-3", f"?span={note.patient_id}"])
    response = checked(stage, who, "notes", who.client.get(f"/v1/notes/{note.resource_id}{span}"))
    if span == "" and note not in stage.corpus.searched(who.scope):
        unknown = "note-zq" + "".join(dice.choice(LETTERS) for _ in range(9))
        other = checked(stage, who, "notes", who.client.get(f"/v1/notes/{unknown}"))
        if told(response) != told(other):
            with stage.findings.lock:
                stage.findings.leaked(
                    "notes", "a note out of sight is not answered like one that is not there"
                )


def mistyped(stage: Stage, who: Asker, dice: random.Random) -> None:
    """A filter of a value out of sight, nearly as it is written there, is answered as one that no one has."""
    note = dice.choice(stage.corpus.notes)
    if note in stage.corpus.seen(who.scope):
        return
    made = "".join(dice.choice(LETTERS) for _ in range(9))
    hidden, invented = dice.choice(
        [
            ({"patient_ids": [note.patient_id.upper()]}, {"patient_ids": [f"PAT-ZQ{made.upper()}"]}),
            ({"patient_ids": [f"Patient/{note.patient_id}"]}, {"patient_ids": [f"Patient/pat-zq{made}"]}),
            ({"domains": [f"{note.domain}s"]}, {"domains": [f"dom-zq{made}s"]}),
        ]
    )
    if "patient_ids" in hidden and any(
        seen.patient_id == note.patient_id for seen in stage.corpus.seen(who.scope)
    ):
        return
    if "domains" in hidden and any(seen.domain == note.domain for seen in stage.corpus.searched(who.scope)):
        return
    said = []
    for filters in (hidden, invented):
        body = {"question": dice.choice(MATTERS), "filters": filters}
        remember(who, body)
        response = checked(stage, who, "notices", who.client.post("/v1/search", json=body))
        if response.status_code != 200:
            return
        given = json.dumps(response.json())
        for value in next(iter(filters.values())):
            given = given.replace(value, "")
        said.append(given)
    if said[0] != said[1]:
        with stage.findings.lock:
            stage.findings.leaked("notices", "a value out of sight is not answered like one that no one has")


def told(response: httpx2.Response) -> tuple[Any, ...]:
    """What tells two refusals apart, but for the numbers and times that differ with every request."""
    own = {"date", "x-request-id"}
    headers = sorted((name, value) for name, value in response.headers.items() if name not in own)
    body = response.json()
    return (
        response.status_code,
        headers,
        {key: value for key, value in body.items() if key not in ("id", "instance")},
    )


def status(stage: Stage, who: Asker, dice: random.Random) -> None:
    response = checked(stage, who, "status", who.client.get("/v1/status"))
    seen = len(stage.corpus.searched(who.scope))
    films = len(stage.images.seen(stage.corpus, who))
    if response.status_code == 200 and response.json()["corpus"]["images"] != films:
        stage.findings.failed("counts", f"{response.json()['corpus']['images']} images instead of {films}")
    if response.status_code == 200 and response.json()["corpus"]["notes"] != seen:
        with stage.findings.lock:
            stage.findings.leaked("counts", f"{response.json()['corpus']['notes']} notes instead of {seen}")


def malformed(stage: Stage, who: Asker, dice: random.Random) -> None:
    """What is refused before anything is searched, and what fails afterwards."""
    note = dice.choice(stage.corpus.notes)
    for body in (
        {"question": 7},
        {"question": question_of(stage, dice) * 60},
        {"question": question_of(stage, dice), "top_k": 0, "scope": {"patient_ids": None, "domains": None}},
        {"question": question_of(stage, dice), "filters": {"scope": None, "patient_ids": [note.patient_id]}},
        {"question": "x", "conversation_id": "0" * 32},
    ):
        remember(who, body)
        checked(stage, who, "ask", who.client.post(dice.choice(["/v1/ask", "/v1/search"]), json=body))


def history(stage: Stage, who: Asker, dice: random.Random) -> None:
    """One's own conversations, and someone else's by id."""
    own = bytes(who.said)
    checked(stage, who, "history", who.client.get("/v1/conversations"), own)
    with stage.findings.lock:
        known = dice.sample(stage.conversations, min(3, len(stage.conversations)))
    for owner, conversation, receipt in known:
        for path in (f"/v1/conversations/{conversation}", f"/v1/conversations/{conversation}/export"):
            response = checked(stage, who, "history", who.client.get(path), own)
            if owner != who.name and response.status_code != 404:
                with stage.findings.lock:
                    stage.findings.leaked("history", f"{response.status_code} for {owner}'s conversation")
        body = {"receipt_id": receipt, "verdict": "bad", "reasons": ["wrong"], "comment": "no"}
        checked(stage, who, "feedback", who.client.post("/v1/feedback", json=body))
        asker = next(each for each in stage.people if each.name == owner)
        checked(stage, who, "receipts", who.client.get(f"/v1/receipts/{receipt}"), bytes(asker.said))


def page(stage: Stage, who: Asker, dice: random.Random) -> None:
    """Whole pages and the fragments that are put into them."""
    note = dice.choice(stage.corpus.everything)
    with stage.findings.lock:
        _, conversation, _ = dice.choice(stage.conversations or [("", "0" * 32, "")])
    path = dice.choice(
        [
            "/",
            "/status",
            "/conversations",
            "/jobs",
            "/account",
            "/people",
            f"/conversations/{conversation}?note={note.resource_id}",
            f"/conversations/{conversation}/export.md",
            f"/notes/{note.resource_id}",
            f"/notes/{note.resource_id}?span=0-40",
            "/patients",
            f"/patients?query={note.name.split()[1][:5]}",
            f"/patients/{note.patient_id}",
            f"/?patient={note.patient_id}",
            f"/patient-bar?patient={note.patient_id}",
            f"/patient-bar/found?query={note.name.replace(' ', '+')}",
            f"/patient-bar/notes?patient={note.patient_id}",
            "/suggest/questions",
            f"/suggest/questions?patient={note.patient_id}",
            "/films",
            f"/films?patient_id={note.patient_id}",
            f"/films/{stage.images.any(dice)}",
            f"/similar-films?image_id={stage.images.any(dice)}",
        ]
    )
    headers = dice.choice([{}, {"HX-Request": "true"}])
    checked(stage, who, "pages", who.browser.get(path, headers=headers), bytes(who.said))


def suggestions(stage: Stage, who: Asker, dice: random.Random) -> None:
    """By the beginning of an id, all the way to the whole of one that is out of sight."""
    whole = dice.choice(stage.corpus.notes).patient_id
    beginning = whole[: dice.choice([0, 1, 4, 6, 8, len(whole)])]
    response = who.browser.get(
        "/suggest/patients", params={"patient_id": beginning}, headers={"HX-Request": "true"}
    )
    checked(stage, who, "suggestions", response)


def count_patients(stage: Stage, who: Asker, channel: str, patients: Sequence[Mapping[str, Any]]) -> None:
    """Whether each is one whom the asker may see, with as many notes as are inside their scope."""
    seen = Counter(note.patient_id for note in stage.corpus.seen(who.scope))
    for patient in patients:
        patient_id = patient.get("patient_id") or patient["value"]
        if str(patient_id).startswith("pat-") and patient["notes"] != seen[patient_id]:
            with stage.findings.lock:
                stage.findings.leaked(channel, f"{patient['notes']} notes instead of {seen[patient_id]}")


def patients(stage: Stage, who: Asker, dice: random.Random) -> None:
    """The register over HTTP: what is typed, one patient, the notes of one."""
    note = dice.choice(stage.corpus.notes)
    given, family = note.name.split()
    typed = dice.choice(["", given, family, family[:5], f"{family} {given[:3]}", f"{given[:-1]}x {family}"])
    after = dice.choice(["", "", note.patient_id])
    query = {"query": typed, "after": after, "limit": str(dice.choice([1, 5, 200]))}
    found = checked(stage, who, "patients", who.client.get("/v1/patients", params=query))
    if found.status_code == 200:
        page = found.json()
        count_patients(stage, who, "patients", [*page["patients"], *page["near"]])
    own = [each for each in stage.corpus.seen(who.scope) if each.patient_id == note.patient_id]
    one = checked(stage, who, "patients", who.client.get(f"/v1/patients/{note.patient_id}"))
    listed = checked(
        stage, who, "patients", who.client.get(f"/v1/patients/{note.patient_id}/notes?limit=200")
    )
    if not own:
        unknown = checked(stage, who, "patients", who.client.get("/v1/patients/pat-zqbcdfghjkl"))
        if {each.status_code for each in (one, listed, unknown)} != {404} or told(one) != told(unknown):
            with stage.findings.lock:
                stage.findings.leaked("patients", "one out of sight is not answered as one who is not here")
        return
    dates = sorted(str(each.fields["date"]) for each in own)
    said, notes = one.json(), listed.json()
    if (said["notes"], said["first_date"], said["last_date"]) != (len(own), dates[0], dates[-1]):
        with stage.findings.lock:
            stage.findings.leaked("patients", "notes out of sight count, or their days")
    if (sorted(each["resource_id"] for each in notes["notes"]), notes["total"]) != (
        sorted(each.resource_id for each in own),
        len(own),
    ):
        with stage.findings.lock:
            stage.findings.leaked("patients", "other notes are listed than are in sight")


def suggested(stage: Stage, who: Asker, dice: random.Random) -> None:
    """Questions to begin with, about a patient whoever may see them, and in a conversation whosever it is."""
    note = dice.choice(stage.corpus.notes)
    with stage.findings.lock:
        _, conversation, _ = dice.choice(stage.conversations or [("", "0" * 32, "")])
    query = dice.choice([{}, {}, {"patient": note.patient_id}, {"conversation_id": conversation}])
    found = checked(
        stage,
        who,
        "suggested questions",
        who.client.get("/v1/suggestions", params=query),
        bytes(who.said),
    )
    hidden = note.patient_id not in {each.patient_id for each in stage.corpus.seen(who.scope)}
    if query.get("patient") and hidden and found.json()["questions"]:
        with stage.findings.lock:
            stage.findings.leaked("suggested questions", "of a patient out of sight")


def register(stage: Stage, who: Asker, dice: random.Random) -> None:
    """Patients by name, by a part of it, by something like it, by id and one after the other."""
    note = dice.choice(stage.corpus.notes)
    words = note.name.split()
    asked = dice.choice([words, words[:1], words[1:], [words[1][:-1], words[0]], [*words, "Jr"]])
    found = [
        stage.store.patients_called(asked, who.scope),
        stage.store.patients_near(asked, who.scope),
        stage.store.patients(who.scope, ids=[note.patient_id, dice.choice(stage.corpus.notes).patient_id]),
        stage.store.patients(who.scope, after=note.patient_id, limit=dice.choice([1, 10, 100])),
        stage.store.patients_beginning(asked[0][:4], who.scope),
    ]
    heads = stage.store.notes_of(note.patient_id, who.scope)
    stage.findings.look("register", repr((found, heads)).encode(), who.forbidden)
    seen = {each.resource_id for each in stage.corpus.seen(who.scope)}
    places = {fact.resource_id for patients in found for patient in patients for fact in patient.facts}
    with stage.findings.lock:
        if hidden := len(places - seen):
            stage.findings.leaked("register", f"{hidden} places in notes out of sight", hidden)
        known = (found[0] and words[0] in asked) or stage.store.name_words(words[:1], who.scope)
        if known and note.resource_id not in seen:
            stage.findings.leaked("register", "a name that stands only in notes out of sight is known")
        for patients in found:
            for patient in patients:
                own = [each for each in stage.corpus.seen(who.scope) if each.patient_id == patient.patient_id]
                if patient.notes != len(own):
                    stage.findings.leaked("register", "notes out of sight are counted")


def page_asks(stage: Stage, who: Asker, dice: random.Random) -> None:
    """The page's own form: events of HTML, or the conversation that it leads to."""
    body = asked(stage, who, dice)
    wanted = body.get("filters", {})
    form = {
        "question": body["question"],
        "patient_id": "".join(wanted.get("patient_ids", [])),
        "domain": "".join(wanted.get("domains", [])),
    }
    headers = {"Accept": "text/event-stream", "HX-Request": "true"} if dice.random() < 0.6 else {}
    response = who.browser.post("/ask", data=form, headers=headers, follow_redirects=True)
    # The conversation repeats what was asked before, percent-encoded in no request of this one.
    checked(stage, who, "page answers", response, bytes(who.said))


def audit(stage: Stage, who: Asker, dice: random.Random) -> None:
    """The log names notes to those who may read it; it holds no word of a text, whoever reads it."""
    texts = frozenset().union(*(each.text_words for each in stage.corpus.everything))
    for path in ("/v1/audit?limit=100", "/v1/audit/export"):
        response = who.client.get(path)
        with stage.findings.lock:
            stage.findings.statuses[response.status_code] += 1
        forbidden = texts if who.may_read_audit else who.forbidden
        stage.findings.look("audit", response.content, forbidden, sent_by(response.request))


def metrics(stage: Stage, who: Asker, dice: random.Random) -> None:
    response = who.client.get(
        dice.choice(["/metrics", "/readyz", "/healthz", "/v1/jobs", "/v1/me", "/openapi.json"])
    )
    stage.findings.look("metrics", response.content, stage.corpus.words)
    with stage.findings.lock:
        stage.findings.statuses[response.status_code] += 1


IMAGE_VISITS = ImageVisits(checked, told, remember)
DOCUMENT_VISITS = DocumentVisits(checked, told)
OPERATIONS: Mapping[Callable[[Stage, Asker, random.Random], None], int] = {
    search: 28,
    ask: 18,
    ask_streaming: 18,
    lists_and_counts: 10,
    page_asks: 10,
    page: 8,
    suggestions: 6,
    register: 8,
    patients: 8,
    suggested: 5,
    read_note: 8,
    mistyped: 8,
    status: 6,
    malformed: 2,
    history: 4,
    audit: 1,
    metrics: 2,
    IMAGE_VISITS.one: 16,
    IMAGE_VISITS.listed: 8,
    IMAGE_VISITS.searched: 6,
    IMAGE_VISITS.asked: 8,
    DOCUMENT_VISITS.document: 10,
    DOCUMENT_VISITS.documents: 6,
    DOCUMENT_VISITS.pages: 8,
}


def perform(stage: Stage, operations: int, seed: int) -> None:
    kinds, weights = list(OPERATIONS), list(OPERATIONS.values())
    plan = random.Random(seed).choices(kinds, weights, k=operations)

    def one(number: int) -> None:
        dice = random.Random(seed * 1_000_003 + number)
        who = dice.choice(stage.people)
        plan[number](stage, who, dice)
        with stage.findings.lock:
            stage.findings.operations[plan[number].__name__] += 1

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(one, number) for number in range(operations)]:
            done.result()


# --- the run


def unscoped_register() -> list[Any]:
    """Patches by which the register forgets who asks."""

    def of(read: Callable[..., Any]) -> Callable[..., Any]:
        def call(store: EmbeddedStore, *asked: Any, **options: Any) -> Any:
            given = [EVERYTHING if isinstance(each, AccessScope) else each for each in asked]
            return read(store, *given, **options)

        return call

    names = ("patients", "patients_called", "patients_near", "patients_beginning", "notes_of", "name_words")
    return [mock.patch.object(EmbeddedStore, name, of(getattr(EmbeddedStore, name))) for name in names]


@contextmanager
def without(what: str) -> Iterator[None]:
    """Takes enforcement away: of one retriever, of what is checked outside the store, or all of it."""
    free = mock.patch.multiple(
        Filters,
        admitted_patients=property(lambda self: self.patient_ids or None),
        admitted_domains=property(lambda self: self.domains or None),
    )
    blind = mock.patch.object(AccessScope, "admits", return_value=True)

    def unscoped(name: str) -> Any:
        search = getattr(EmbeddedStore, name)

        def call(store: EmbeddedStore, asked: Any, k: int, filters: Filters) -> Any:
            return search(store, asked, k, replace(filters, scope=EVERYTHING))

        return mock.patch.object(EmbeddedStore, name, call)

    def unscoped_chunks() -> Any:
        search = EmbeddedStore.chunks_with

        def call(store: EmbeddedStore, terms: Any, filters: Filters, *, limit: int) -> Any:
            return search(store, terms, replace(filters, scope=EVERYTHING), limit=limit)

        return mock.patch.object(EmbeddedStore, "chunks_with", call)

    with contextlib.ExitStack() as stack:
        if what == "all":
            stack.enter_context(free)
        if what in ("all", "admits"):
            stack.enter_context(blind)
        if what in ("legs", "vector"):
            stack.enter_context(unscoped("search_vector"))
        if what in ("legs", "words"):
            stack.enter_context(unscoped("search_words"))
            stack.enter_context(unscoped_chunks())
        for patch in unscoped_register() if what == "register" else ():
            stack.enter_context(patch)
        yield


def written(corpus: Corpus, folder: Path) -> Path:
    path = folder / "notes.jsonl"
    path.write_text("".join(json.dumps(note.fields) + "\n" for note in corpus.notes), encoding="utf-8")
    return path


def run(
    folder: Path,
    operations: int,
    *,
    seed: int = 1,
    notes: int = NOTES,
    removed: str = "nothing",
    codes: bool = False,
) -> Findings:
    """The findings of one run on a fresh corpus and service in `folder`. `codes`: vectors are pre-selected."""
    dice = random.Random(seed)
    corpus, findings = planted(dice, notes), Findings()
    settings = leaky_settings(folder / "data", codes=codes)
    index(settings, written(corpus, folder))
    with_documents(corpus, settings, folder / "guidelines", dice)
    images = plant(corpus, settings.data_dir, folder / "films")
    with open_corpus(settings) as opened_corpus:
        chunks = {chunk: resource for resource, chunk in opened_corpus.store.chunk_ids()}
    open_generator = live_answering.open_generator
    gossips: list[Gossip] = []

    def opened(settings: Settings, embedder: Any) -> Generator:
        gossips.append(Gossip(open_generator(settings, embedder), corpus, findings, seed))
        return gossips[-1]

    with (
        mock.patch.object(live_answering, "open_generator", opened),
        logs_kept() as kept,
        without(removed),
        legs_watched(corpus, chunks, findings),
        image_searches_watched(images, corpus, findings),
        running(settings) as service,
        open_corpus(settings) as beside,
    ):
        stage = Stage(corpus, service, people_of(corpus, service, dice), findings, beside.store, images)
        perform(stage, operations, seed)
        officer = stage.people[-2].client
        texts = frozenset().union(*(each.text_words for each in corpus.everything))
        findings.look("audit", officer.get("/v1/audit/export").content, texts)
        administrator = next(who.client for who in stage.people if who.role == "administrator")
        findings.look("metrics", administrator.get("/metrics").content, corpus.words)
    findings.look("logs", "\n".join(kept.lines).encode(), corpus.words)
    for gossip in gossips:
        findings.operations.update({f"drafts, {kind}": number for kind, number in gossip.kinds.items()})
    return findings


def leaky_settings(folder: Path, *, codes: bool) -> Settings:
    store = {"exact_chunks_max": 0} if codes else {}
    service = {"answers_each_max": 64, "answers_waiting_max": 512, "images_at_once": 1}
    return settings_in(folder, store=store, deidentification={"pixel_text": "keep"}, service=service)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.leak", description=__doc__)
    parser.add_argument("--operations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--without", choices=REMOVED, default="nothing", help="take this much enforcement away"
    )
    parser.add_argument("--codes", action="store_true", help="vectors pre-selected by codes")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="chartwell-leak-") as folder:
        findings = run(
            Path(folder), given.operations, seed=given.seed, removed=given.without, codes=given.codes
        )
    print(f"seed {given.seed}, {NOTES} notes, 13 people, {time.perf_counter() - started:.0f} s")
    for title, counted in (
        ("done", findings.operations),
        ("answers with status", findings.statuses),
        ("looked at (bytes; matches)", findings.looked_at),
    ):
        print(
            f"{title}: "
            + ", ".join(f"{name} {number:,}" for name, number in sorted(counted.items(), key=str))
        )
    print(f"questions answered with citations: {findings.answered:,}")
    for example in findings.examples:
        print(f"  {example}")
    print("leaks: " + (", ".join(f"{name} {number:,}" for name, number in findings.leaks.items()) or "0"))
    return 1 if findings.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
