"""What the library keeps of a document besides its text: versions, domains, decisions.

Decides the fields and how a version gets its id. Knows no database. Moments are ISO 8601 in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pipeline.library.records import (
    NO_METADATA,
    DocumentFinding,
    DocumentFormat,
    DocumentMetadata,
    DocumentState,
)
from pipeline.library.states import in_words

RelevanceVerdict: TypeAlias = Literal["relevant", "irrelevant", "unsure"]


def version_id_of(domain: str, content_hash: str) -> str:
    """The id of one file in one domain, 64 hex digits. The same bytes in two domains are two documents: whoever uploads
    to one does not learn what is in the other."""
    return hashlib.sha256(f"{domain}\0{content_hash}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LibraryDomain:
    """A part of the library with rules of its own."""

    name: str
    description: str = ""
    owner: str = ""
    topic: str = ""
    """What its documents are about, in a sentence; empty: no document is judged by its topic."""
    approves_itself: bool = False
    """Whether what is read there, and has no finding that a person must look at, is approved without a reviewer."""
    retention_days: int | None = None
    """Days from the upload after which a document is withdrawn and its original removed; None: it is kept."""
    prompt: str = ""
    """What a generator is told besides, for answers from this domain alone."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was handed in and whose bytes are safe already."""

    content_hash: str
    file_name: str
    size: int
    """Bytes."""
    domain: str
    by: str
    metadata: DocumentMetadata = NO_METADATA
    """What the person said of it: that counts before what the file says."""
    supersedes: str = ""
    """`document_id` of what this is a newer version of; "" for a document of its own."""


@dataclass(frozen=True, slots=True)
class StoredRelevance:
    """How a document stands to the topic of its domain."""

    verdict: RelevanceVerdict
    probability: float
    """0 to 1, that a person of this domain would call it relevant."""
    evidence: tuple[tuple[int, str], ...] = ()
    """Page and passage that spoke for the verdict."""
    by_model: bool = False
    """Whether a language model said so where the measure was not sure."""


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A version of the same domain with nearly the same text."""

    version_id: str
    likeness: float
    """0 to 1; 1 for the same words."""


@dataclass(frozen=True, slots=True)
class ReadingRefusal:
    """Why a file could not be read."""

    kind: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LibraryVersion:
    """One version of a document, as it stands now."""

    version_id: str
    document_id: str
    """`version_id` of its first version."""
    number: int
    """Counted from 1."""
    content_hash: str
    domain: str
    state: DocumentState
    file_name: str
    size: int
    """Bytes."""
    uploaded_at: str
    uploaded_by: str
    source_format: DocumentFormat | None = None
    """None until it is read, as are the pages."""
    pages: int | None = None
    metadata: DocumentMetadata = NO_METADATA
    findings: tuple[DocumentFinding, ...] = ()
    relevance: StoredRelevance | None = None
    near_duplicates: tuple[NearDuplicate, ...] = ()
    refusal: ReadingRefusal | None = None
    decided_at: str | None = None
    decided_by: str | None = None
    decided_why: str | None = None

    @property
    def title(self) -> str:
        """What people call it: its title, or its file's name."""
        return self.metadata.title or self.file_name


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an upload."""

    version: LibraryVersion
    is_new: bool
    """False where the domain has these bytes already; nothing was changed then, but what could not be read before is
    read again."""

    @property
    def notice(self) -> str:
        """What whoever uploads is told where nothing was changed, a sentence or two; "" for a new file."""
        if self.is_new:
            return ""
        known = f"The library has this file already: it {in_words(self.version.state)}."
        stays = self.version.state in ("rejected", "superseded", "withdrawn")
        return f"{known} To upload it again does not change that; a reviewer can." if stays else known


@dataclass(frozen=True, slots=True)
class LibraryDecision:
    """One change of a version's state, or of what is known of it (`before` and `after` are the same then)."""

    number: int
    """Counted over the whole library, without gaps, in the order of decisions."""
    version_id: str
    domain: str
    before: DocumentState | None
    """None: it was uploaded."""
    after: DocumentState | Literal["removed"]
    by: str
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the versions that a decision was made about."""

    versions: tuple[LibraryVersion, ...]
    """Those that it was made about, as they stand now."""
    superseded: tuple[LibraryVersion, ...] = ()
    """Those that an approval put out of use."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why it was not made, for people, by version id."""


@dataclass(frozen=True, slots=True)
class LibraryQuery:
    """Which versions are asked for. All that is given must hold."""

    states: tuple[DocumentState, ...] = ()
    domain: str = ""
    document_id: str = ""
    words: str = ""
    """Each of these words stands in the title or in the file's name."""


VersionChange: TypeAlias = Mapping[str, Any]
"""New values of metadata, by the names of `DocumentMetadata`'s fields."""
