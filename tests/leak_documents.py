"""Library documents of the corpus of `tests.leak`, and people who look for those that they may not see.

Each domain of the notes has four documents: one in its second version, of which the first is superseded, one that is
withdrawn, one that is rejected and one that waits. Only the second version may ever be searched, and only where its
domain may be seen; the words of each stand in no other. What is not in use is shown to those who work with documents,
in their domains, by the addresses of documents alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from pipeline.config import Settings
from pipeline.indexing.documents.approved import LIBRARY_SOURCE, accept_approved, approved_records, decide
from pipeline.indexing.documents.intake import Intake
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.library.states import Decision
from pipeline.library.versions import LibraryDomain
from pipeline.records import AccessScope, library_id
from pipeline.wiring import open_corpus, open_library
from tests.indexing.documents.test_intake import TextReader

if TYPE_CHECKING:
    from tests.leak import Asker, Planted, Stage

NO_DOCUMENT = "0" * 64
AT_WORK = ("contributor", "reviewer", "administrator")
"""Roles that see documents before they are approved."""
VIEWS = ("", "/pages/1", "/original", "/pages/1/image", "/pages/2")


@dataclass(frozen=True)
class PlannedDocument:
    """A text, and what becomes of it."""

    text: str
    decisions: tuple[Decision, ...]
    supersedes_last: bool = False

    @property
    def in_use(self) -> bool:
        return self.decisions == ("approve",) and self.supersedes_last


def planned(texts: Sequence[str]) -> list[PlannedDocument]:
    """Of five texts of one domain."""
    first, second, withdrawn, rejected, waiting = texts
    return [
        PlannedDocument(first, ("approve",)),
        PlannedDocument(second, ("approve",), supersedes_last=True),
        PlannedDocument(withdrawn, ("approve", "withdraw")),
        PlannedDocument(rejected, ("reject",)),
        PlannedDocument(waiting, ()),
    ]


def plant_documents(
    settings: Settings, folder: Path, texts: dict[str, list[str]]
) -> list[tuple[str, str, str, bool]]:
    """Take in five texts of each domain, decide about them and index what is approved, with a run between every two
    decisions. (version id, domain, text, whether it is in use)."""
    folder.mkdir()
    made: list[tuple[str, str, str, bool]] = []
    with open_library(settings) as library, open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        indexing = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            SilentObserver(),
            vector_cache=corpus.vector_cache,
            accept=accept_approved,
        )
        intake, catalogue = Intake(library, TextReader()), library.catalogue
        later: list[tuple[str, Decision]] = []
        for domain, own in texts.items():
            catalogue.put_domain(LibraryDomain(domain))
            last = ""
            for number, plan in enumerate(planned(own)):
                path = folder / f"{len(made)}-{number}.txt"
                path.write_text(plan.text, encoding="utf-8")
                before = last if plan.supersedes_last else ""
                last = intake.take(path, path.name, domain, "librarian", supersedes=before).version.version_id
                made.append((last, domain, plan.text, plan.in_use))
                if plan.decisions:
                    remove = indexing.committer.remove
                    indexing.material.prepare()
                    indexing.ledger.prepare()
                    decide(catalogue, remove, [last], plan.decisions[0], "reviewer", "")
                later += [(last, each) for each in plan.decisions[1:]]
                indexing.run(approved_records(intake), sources=[LIBRARY_SOURCE], prune=True)
        for version_id, decision in later:
            decide(catalogue, indexing.committer.remove, [version_id], decision, "reviewer", "")
        searched = {key for key, _ in corpus.store.chunk_ids() if key.startswith(LIBRARY_SOURCE)}
        assert searched == {library_id(version_id) for version_id, _, _, in_use in made if in_use}
    return made


def shown(documents: Sequence[Planted], role: str, scope: AccessScope) -> list[Planted]:
    """Those that the addresses of documents give somebody: of their domains, and in use unless they work with them."""
    return [
        each
        for each in documents
        if (scope.domains is None or each.domain in scope.domains) and (each.in_use or role in AT_WORK)
    ]


@dataclass(frozen=True)
class DocumentVisits:
    """What people do. `checked` and `told` are those of `tests.leak`."""

    checked: Callable[..., httpx2.Response]
    told: Callable[[httpx2.Response], tuple[Any, ...]]

    def document(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """One, its page or its file; what is out of sight is answered as what is not there."""
        chosen, view = dice.choice(stage.corpus.documents), dice.choice(VIEWS)
        response = self._get(stage, who, f"/v1/documents/{chosen.version_id}{view}")
        if chosen in shown(stage.corpus.documents, who.role, who.scope):
            return
        other = self._get(stage, who, f"/v1/documents/{NO_DOCUMENT}{view}")
        if _without_id(self.told(response), chosen.version_id) != _without_id(self.told(other), NO_DOCUMENT):
            stage.findings.failed("documents", "one out of sight is not answered like one that is not there")

    def documents(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """A list by any filter, its counts, and the domains."""
        chosen = dice.choice(stage.corpus.documents)
        word = dice.choice(sorted(chosen.text_words)).decode()
        query = dice.choice(
            [{}, {"domain": chosen.domain}, {"words": word}, {"state": "waiting"}, {"state": "superseded"}]
        )
        response = self._get(stage, who, "/v1/documents", {**query, "limit": 200})
        seen = {each.version_id: each for each in shown(stage.corpus.documents, who.role, who.scope)}
        said = response.json()
        if strangers := [each for each in said["documents"] if each["version_id"] not in seen]:
            stage.findings.failed("lists of documents", f"{len(strangers)} out of sight")
        if sum(said["counts"].values()) != len(seen):
            stage.findings.failed("lists of documents", f"{said['counts']} instead of {len(seen)}")
        named = self._get(stage, who, "/v1/domains").json()["domains"]
        if who.scope.domains is not None and not {each["name"] for each in named} <= who.scope.domains:
            stage.findings.failed("lists of documents", "a domain out of sight")

    def pages(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """The page's list, one document, and the place that a citation of it opens."""
        chosen = dice.choice(stage.corpus.documents)
        path = dice.choice(
            [
                "/library",
                f"/library?words={dice.choice(sorted(chosen.text_words)).decode()}",
                "/library?state=waiting",
                f"/library/{chosen.version_id}",
                f"/notes/{chosen.resource_id}",
                f"/notes/{chosen.resource_id}?span=0-40",
            ]
        )
        response = who.browser.get(path, headers=dice.choice([{}, {"HX-Request": "true"}]))
        self.checked(stage, who, "pages of documents", response, _known(stage, who))

    def _get(
        self, stage: Stage, who: Asker, path: str, query: dict[str, Any] | None = None
    ) -> httpx2.Response:
        response = who.client.get(path, params=query)
        return self.checked(stage, who, "documents", response, _known(stage, who))


def _known(stage: Stage, who: Asker) -> bytes:
    own = shown(stage.corpus.documents, who.role, who.scope)
    return b" ".join(word for each in own for word in each.words)


def _without_id(told: tuple[Any, ...], version_id: str) -> str:
    return repr(told).replace(version_id, "")
