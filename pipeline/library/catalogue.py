"""The catalogue: which documents the library has, in which version, in which state, and who decided what about them.

One SQLite file of its own beside the ledgers. Decides every change of state, each in one transaction with its row among
the decisions, and that a document has one approved version at most. Scopes of domains are held where rows are selected:
a version of a domain out of sight does not exist. Refuses to know how a file is read, where its bytes lie, the store of
notes, and the audit log, on which the service hangs the decisions that are not there yet.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.errors import BadRequest, DomainUnknown, LibraryError, VersionUnknown
from pipeline.library import metadata as fields
from pipeline.library.domains import require_domain
from pipeline.library.records import (
    DocumentFinding,
    DocumentMetadata,
    DocumentState,
    FindingCode,
    LibraryDocument,
)
from pipeline.library.states import Decision, in_words, outcome, refusal
from pipeline.library.versions import (
    Added,
    Decided,
    LibraryDecision,
    LibraryDomain,
    LibraryQuery,
    LibraryVersion,
    NearDuplicate,
    ReadingRefusal,
    StoredRelevance,
    Upload,
    VersionChange,
    version_id_of,
)
from pipeline.storage.named_sql import Statements
from pipeline.storage.schema_upgrades import SqliteVersions, Upgrades
from pipeline.storage.sqlite import Database, storage_errors

SELF = "chartwell"
"""Who decides what no person does."""
WHY_CHARACTERS_MAX = 1000
VERSIONS_AT_ONCE = 500

FOR_PERSONS: frozenset[FindingCode] = frozenset(
    {"hidden-text", "text-off-page", "readers-disagree", "low-ocr-confidence", "instructions", "identifiers"}
)
"""With one of these a document waits for a person also where its domain approves by itself."""

Domains = frozenset[str] | None
"""Those that the asker may see; None: not restricted."""

EVERY_VERSION = LibraryQuery()

_SQL = Statements(Path(__file__).with_suffix(".sql"))


def m0001_first(connection: sqlite3.Connection) -> None:
    for name in (
        "create_domains",
        "create_versions",
        "create_one_approved",
        "create_by_domain",
        "create_by_content",
        "create_decisions",
        "create_decisions_by_version",
        "create_unaudited",
        "create_revision",
        "first_revision",
    ):
        connection.execute(getattr(_SQL, name))


def m0002_signatures(connection: sqlite3.Connection) -> None:
    connection.execute(_SQL.create_signatures)


_VERSIONS = SqliteVersions("library", Upgrades(m0001_first, m0002_signatures, first=0))


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class LibraryCatalogue:
    """The catalogue in one SQLite file. Safe to use from several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = utc_now) -> None:
        """Makes the tables where there are none. Raises SchemaMismatch where a newer release made them."""
        self._database = database
        self._clock = clock
        with storage_errors(database.path):
            _VERSIONS.upgrade(database.transaction, f"The library in {database.path}")

    # --- domains

    def put_domain(self, domain: LibraryDomain) -> None:
        """Make a domain, or change the one of that name. Raises BadRequest for a name that no domain can have."""
        require_domain(domain)
        with self._change() as connection:
            connection.execute(_SQL.put_domain, asdict(domain))

    def domain(self, name: str, domains: Domains = None) -> LibraryDomain:
        """Raises DomainUnknown."""
        found = [each for each in self.domains(domains) if each.name == name]
        if not found:
            raise DomainUnknown(
                f"The library has no domain {name!r}.",
                remedy="Name one that is there, or have an administrator make it.",
            )
        return found[0]

    def domains(self, domains: Domains = None) -> list[LibraryDomain]:
        """In the order of their names."""
        rows = self._rows(_SQL.domains, {"domains": _names(domains)})
        return [
            LibraryDomain(name, description, owner, topic, bool(approves_itself), retention_days, prompt)
            for name, description, owner, topic, approves_itself, retention_days, prompt in rows
        ]

    def remove_domain(self, name: str) -> None:
        """Raises DomainUnknown, and LibraryError for a domain that has documents."""
        with self._change() as connection:
            if connection.execute(_SQL.domain_in_use, (name,)).fetchone():
                raise LibraryError(
                    f"The domain {name!r} has documents.", remedy="Remove them first, then the domain."
                )
            if not connection.execute(_SQL.remove_domain, (name,)).rowcount:
                raise DomainUnknown(f"The library has no domain {name!r}.", remedy="Nothing is to be done.")

    # --- versions on their way

    def add(self, upload: Upload, domains: Domains = None) -> Added:
        """Take in a file whose original is safe. The same bytes again change nothing, whatever has become of them: what
        was withdrawn stays withdrawn; only what could not be read is read again.

        Raises DomainUnknown, VersionUnknown where the document that it supersedes is not in the domain, and BadRequest
        for metadata that no document has.
        """
        self.domain(upload.domain, domains)
        fields.require_valid(upload.metadata)
        version_id = version_id_of(upload.domain, upload.content_hash)
        with self._change() as connection:
            known = self.version(version_id)
            if known is None:
                self._insert(connection, upload, version_id)
            elif known.state == "unreadable":
                self._move(connection, known, "uploaded", upload.by, "It was uploaded again.")
            return Added(self._there(version_id), is_new=known is None)

    def _insert(self, connection: sqlite3.Connection, upload: Upload, version_id: str) -> None:
        document_id, number = upload.supersedes or version_id, 1
        if upload.supersedes:
            (newest,) = connection.execute(
                _SQL.newest_of_document, {"document_id": document_id, "domain": upload.domain}
            ).fetchone()
            if newest is None:
                raise _unknown(document_id)
            number = newest + 1
        at, file_name = self._at(), fields.file_name_shown(upload.file_name)
        connection.execute(
            _SQL.add_version,
            {
                "version_id": version_id,
                "document_id": document_id,
                "number": number,
                "content_hash": upload.content_hash,
                "domain": upload.domain,
                "file_name": file_name,
                "size": upload.size,
                "at": at,
                "by": upload.by,
                "metadata": json.dumps(fields.as_record(upload.metadata)),
                "words": _words(upload.metadata, file_name),
            },
        )
        self._tell(connection, version_id, upload.domain, None, "uploaded", upload.by, "", at)

    def record_reading(
        self,
        version_id: str,
        document: LibraryDocument,
        relevance: StoredRelevance | None = None,
        near: Sequence[NearDuplicate] = (),
    ) -> LibraryVersion:
        """A file was read: it waits for approval, stays `read` where it is not of its domain's topic, or is approved
        where its domain approves by itself and no person must look first. One that was read already stays as it is.

        Raises VersionUnknown, and ValueError where another file was read.
        """
        with self._change() as connection:
            held = self._there(version_id)
            if document.content_hash != held.content_hash:
                raise ValueError(f"what was read is not the file of version {version_id}")
            if held.state != "uploaded":
                return held
            metadata = fields.filled(held.metadata, fields.cleaned(document.metadata))
            connection.execute(
                _SQL.set_read,
                {
                    "version_id": version_id,
                    "state": "read",
                    "source_format": document.source_format,
                    "pages": len(document.pages),
                    "metadata": json.dumps(fields.as_record(metadata)),
                    "findings": json.dumps([asdict(each) for each in document.findings]),
                    "relevance": None if relevance is None else json.dumps(asdict(relevance)),
                    "near_duplicates": json.dumps([asdict(each) for each in near]),
                    "words": _words(metadata, held.file_name),
                },
            )
            self._tell(connection, version_id, held.domain, "uploaded", "read", SELF, "", self._at())
            if relevance is None or relevance.verdict != "irrelevant":
                self._pass_on(connection, self._there(version_id))
            return self._there(version_id)

    def _pass_on(self, connection: sqlite3.Connection, read: LibraryVersion) -> None:
        """From `read` to a reviewer, or past one."""
        relevance = read.relevance
        sure = relevance is None or (relevance.verdict == "relevant" and not relevance.by_model)
        clear = sure and not any(finding.code in FOR_PERSONS for finding in read.findings)
        if clear and self.domain(read.domain).approves_itself and not self._is_doubted(read):
            self._approve(connection, read, SELF, "The domain approves by itself.")
        else:
            self._move(connection, read, "waiting", SELF, "")

    def _is_doubted(self, read: LibraryVersion) -> bool:
        """Whether these bytes were put out of use before, also where the version was removed since, or another document
        has nearly the same text: which of the two counts is for a person to say."""
        if self._rows(_SQL.was_put_out_of_use, (read.version_id,)):
            return True
        like = [self.version(each.version_id) for each in read.near_duplicates]
        return any(other is not None and other.document_id != read.document_id for other in like)

    def keep_signature(self, version_id: str, signature: bytes) -> None:
        """What stands for a version's text where near duplicates are looked for. Raises VersionUnknown."""
        with self._transaction() as connection:
            self._there(version_id)
            connection.execute(_SQL.keep_signature, {"version_id": version_id, "signature": signature})

    def signatures_beside(self, version_id: str) -> list[tuple[str, str, bytes]]:
        """(version id, content hash, signature) of the other versions of the same domain, in whichever state."""
        return self._rows(_SQL.signatures_beside, {"version_id": version_id})

    def record_unreadable(self, version_id: str, refused: ReadingRefusal) -> LibraryVersion:
        """A file could not be read. One that was read meanwhile stays as it is. Raises VersionUnknown."""
        with self._change() as connection:
            held = self._there(version_id)
            if held.state == "uploaded":
                connection.execute(
                    _SQL.set_unreadable, {"version_id": version_id, "refusal": json.dumps(asdict(refused))}
                )
                self._tell(
                    connection,
                    version_id,
                    held.domain,
                    "uploaded",
                    "unreadable",
                    SELF,
                    refused.kind,
                    self._at(),
                )
            return self._there(version_id)

    # --- decisions of people

    def decide(
        self, version_ids: Sequence[str], decision: Decision, by: str, why: str, domains: Domains = None
    ) -> Decided:
        """Decide about each version by itself: one that cannot be given the decision is told so and costs no other.
        Approving one supersedes the approved version of the same document.

        Raises BadRequest where there are too many, or the reason is too long.
        """
        _require_decidable(version_ids, why)
        done, superseded, refused = [], [], {}
        with self._change() as connection:
            for version_id in self._by_number(version_ids, domains):
                held = self.version(version_id, domains)
                reached = None if held is None else outcome(decision, held.state)
                if held is None:
                    refused[version_id] = _unknown(version_id).what
                elif reached is None:
                    refused[version_id] = refusal(decision, held.state)
                elif reached == "approved":
                    superseded += self._approve(connection, held, by, why)
                    done.append(version_id)
                else:
                    self._move(connection, held, reached, by, why)
                    done.append(version_id)
            return Decided(tuple(map(self._there, done)), tuple(map(self._there, superseded)), refused)

    def _by_number(self, version_ids: Sequence[str], domains: Domains) -> list[str]:
        """Each once, older versions before newer ones: of two of one document that are approved together, the newer one
        stands."""
        held = {each: self.version(each, domains) for each in dict.fromkeys(version_ids)}
        return sorted(held, key=lambda each: found.number if (found := held[each]) is not None else 0)

    def to_remove_first(
        self, version_ids: Sequence[str], decision: Decision, domains: Domains = None
    ) -> list[str]:
        """Versions that the decision takes out of use, approved ones of now: they are removed from where they are
        searched before it is recorded, so that nothing is found that nobody answers for any more."""
        leaving = []
        for version_id in dict.fromkeys(version_ids):
            held = self.version(version_id, domains)
            reached = None if held is None else outcome(decision, held.state)
            if held is None or reached is None:
                continue
            if held.state == "approved":
                leaving.append(version_id)
            elif reached == "approved":
                leaving += [each.version_id for each in self._approved_of(held.document_id)]
        return leaving

    def _approve(self, connection: sqlite3.Connection, held: LibraryVersion, by: str, why: str) -> list[str]:
        """Returns the versions that it put out of use."""
        before = self._approved_of(held.document_id)
        for each in before:
            self._move(connection, each, "superseded", by, f"Version {held.number} was approved.")
        self._move(connection, held, "approved", by, why)
        return [each.version_id for each in before]

    def correct(
        self, version_ids: Sequence[str], changes: VersionChange, by: str, domains: Domains = None
    ) -> list[LibraryVersion]:
        """Change metadata of all of them, or of none. Raises VersionUnknown, and BadRequest for a value that none can
        have."""
        _require_decidable(version_ids, "")
        with self._change() as connection:
            for version_id in version_ids:
                held = self._there(version_id, domains)
                corrected = fields.correct(held.metadata, changes, "person")
                connection.execute(
                    _SQL.set_metadata,
                    {
                        "version_id": version_id,
                        "metadata": json.dumps(fields.as_record(corrected)),
                        "words": _words(corrected, held.file_name),
                    },
                )
                why = f"Corrected: {', '.join(sorted(changes))}."
                self._tell(connection, version_id, held.domain, held.state, held.state, by, why, self._at())
            return [self._there(version_id) for version_id in version_ids]

    def remove(self, version_id: str, by: str, why: str, domains: Domains = None) -> bool:
        """Forget a version; its decisions stay. Whether no other version has its bytes, so that the original may go.

        Raises VersionUnknown, and LibraryError for an approved one: that is withdrawn first.
        """
        with self._change() as connection:
            held = self._there(version_id, domains)
            if held.state == "approved":
                raise LibraryError(
                    f"Document {version_id} {in_words(held.state)}.", remedy="Withdraw it, then remove it."
                )
            connection.execute(_SQL.remove_version, (version_id,))
            self._tell(connection, version_id, held.domain, held.state, "removed", by, why, self._at())
            return not self.holds(held.content_hash)

    # --- what is there

    def version(self, version_id: str, domains: Domains = None) -> LibraryVersion | None:
        """None where there is none, also for an asker who may not see it."""
        rows = self._named(_SQL.version, {"version_id": version_id, "domains": _names(domains)})
        return _version(rows[0]) if rows else None

    def versions(
        self,
        query: LibraryQuery = EVERY_VERSION,
        domains: Domains = None,
        *,
        after: str = "",
        limit: int = 100,
    ) -> list[LibraryVersion]:
        """At most `limit` versions behind the id `after`, in the order of their ids."""
        parameters = {
            "domains": _names(domains),
            "states": json.dumps(query.states) if query.states else None,
            "domain": query.domain,
            "document_id": query.document_id,
            "words": json.dumps(query.words.casefold().split()),
            "after": after,
            "limit": limit,
        }
        return [_version(row) for row in self._named(_SQL.versions, parameters)]

    def every(self, query: LibraryQuery = EVERY_VERSION, domains: Domains = None) -> Iterator[LibraryVersion]:
        """All that the query admits, page by page: what changes meanwhile is given as it is then."""
        after = ""
        while page := self.versions(query, domains, after=after):
            yield from page
            after = page[-1].version_id

    def approved(self) -> Iterator[LibraryVersion]:
        """What people may be shown as an answer's source."""
        return self.every(LibraryQuery(states=("approved",)))

    def approved_now(self, version_ids: Sequence[str]) -> frozenset[str]:
        """Those of these that are approved at this moment."""
        rows = self._rows(_SQL.approved_now, (json.dumps(list(version_ids)),))
        return frozenset(version_id for (version_id,) in rows)

    def counts(self, domains: Domains = None) -> dict[DocumentState, int]:
        """Versions by state; a state that no version is in is left out."""
        return dict(self._rows(_SQL.counts, {"domains": _names(domains)}))

    def holds(self, content_hash: str) -> bool:
        """Whether any version has these bytes: an original that none has may be removed."""
        return bool(self._rows(_SQL.content_in_use, (content_hash,)))

    def past_retention(self, limit: int = 100) -> list[LibraryVersion]:
        """Those that their domain keeps no longer, the oldest first."""
        rows = self._named(_SQL.past_retention, {"at": self._at(), "limit": limit})
        return [_version(row) for row in rows]

    def decisions(self, version_id: str, domains: Domains = None) -> list[LibraryDecision]:
        """What was decided about a version, the oldest first; nothing for one out of sight."""
        rows = self._rows(_SQL.decisions, {"version_id": version_id, "domains": _names(domains)})
        return [LibraryDecision(*row) for row in rows]

    def unaudited(self, limit: int = VERSIONS_AT_ONCE) -> list[LibraryDecision]:
        """Decisions that are not in the audit log yet, the oldest first."""
        return [LibraryDecision(*row) for row in self._rows(_SQL.unaudited, (limit,))]

    def mark_audited(self, numbers: Sequence[int]) -> None:
        """These decisions are in the audit log."""
        with self._transaction() as connection:
            connection.execute(_SQL.mark_audited, (json.dumps(list(numbers)),))

    def revision(self) -> int:
        """Another one after every change."""
        return int(self._rows(_SQL.revision, ())[0][0])

    # --- the ground

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else adds, changes or removes a version for as long as the block lasts; what is changed in it is one
        transaction."""
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._database.transaction() as connection, storage_errors(self._database.path):
            yield connection

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._transaction() as connection:
            yield connection
            connection.execute(_SQL.raise_revision)

    def _there(self, version_id: str, domains: Domains = None) -> LibraryVersion:
        held = self.version(version_id, domains)
        if held is None:
            raise _unknown(version_id)
        return held

    def _approved_of(self, document_id: str) -> list[LibraryVersion]:
        return [_version(row) for row in self._named(_SQL.approved_of_document, (document_id,))]

    def _move(
        self, connection: sqlite3.Connection, held: LibraryVersion, state: DocumentState, by: str, why: str
    ) -> None:
        at = self._at()
        moved = {"version_id": held.version_id, "state": state, "at": at, "by": by, "why": why}
        connection.execute(_SQL.set_state if state == "uploaded" else _SQL.set_decided, moved)
        self._tell(connection, held.version_id, held.domain, held.state, state, by, why, at)

    def _tell(
        self,
        connection: sqlite3.Connection,
        version_id: str,
        domain: str,
        before: str | None,
        after: str,
        by: str,
        why: str,
        at: str,
    ) -> None:
        connection.execute(
            _SQL.add_decision,
            {
                "version_id": version_id,
                "domain": domain,
                "before": before,
                "after": after,
                "by": by,
                "why": why,
                "at": at,
            },
        )

    def _at(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")

    def _rows(
        self, statement: str, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        with storage_errors(self._database.path):
            return self._database.connection.execute(statement, parameters).fetchall()

    def _named(
        self, statement: str, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[dict[str, Any]]:
        with storage_errors(self._database.path):
            cursor = self._database.connection.execute(statement, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _version(row: Mapping[str, Any]) -> LibraryVersion:
    relevance, refused = _loaded(row["Relevance"]), _loaded(row["Refusal"])
    return LibraryVersion(
        version_id=row["VersionID"],
        document_id=row["DocumentID"],
        number=row["Number"],
        content_hash=row["ContentHash"],
        domain=row["Domain"],
        state=row["State"],
        file_name=row["FileName"],
        size=row["SizeBytes"],
        uploaded_at=row["UploadedAt"],
        uploaded_by=row["UploadedBy"],
        source_format=row["SourceFormat"],
        pages=row["Pages"],
        metadata=fields.of_record(json.loads(row["Metadata"])),
        findings=tuple(DocumentFinding(**each) for each in json.loads(row["Findings"])),
        relevance=None if relevance is None else _relevance(relevance),
        near_duplicates=tuple(NearDuplicate(**each) for each in json.loads(row["NearDuplicates"])),
        refusal=None if refused is None else ReadingRefusal(**refused),
        decided_at=row["DecidedAt"],
        decided_by=row["DecidedBy"],
        decided_why=row["DecidedWhy"],
    )


def _loaded(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _relevance(record: Mapping[str, Any]) -> StoredRelevance:
    evidence = tuple((page, passage) for page, passage in record["evidence"])
    return StoredRelevance(record["verdict"], record["probability"], evidence, record.get("by_model", False))


def _names(domains: Domains) -> str | None:
    return None if domains is None else json.dumps(sorted(domains))


def _words(metadata: DocumentMetadata, file_name: str) -> str:
    """What a search for words in the list looks through."""
    return f"{metadata.title}\n{file_name}".casefold()


def _unknown(version_id: str) -> VersionUnknown:
    return VersionUnknown(
        f"The library has no document {version_id}.", remedy="Look for it in the list of documents."
    )


def _require_decidable(version_ids: Sequence[str], why: str) -> None:
    if not 0 < len(version_ids) <= VERSIONS_AT_ONCE:
        raise BadRequest(
            f"{len(version_ids)} documents cannot be decided about at once.",
            remedy=f"Name 1 to {VERSIONS_AT_ONCE}.",
        )
    if any(fields.is_hidden(each) for each in why if each not in "\n\t"):
        raise BadRequest("A reason has characters that are not shown.", remedy="Type it again.")
    if len(why) > WHY_CHARACTERS_MAX:
        raise BadRequest(
            f"A reason has at most {WHY_CHARACTERS_MAX} characters.", remedy="Say it in fewer words."
        )
