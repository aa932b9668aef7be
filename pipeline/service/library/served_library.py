"""The library as the service works with it: files come in, people decide, and a run reads and indexes what is due.

Decides that what leaves the searchable notes has left them before a decision is recorded, that each decision gets its
row of the audit log once, and when a run begins: whenever something waits to be read or indexed, one at a time, never
beside another indexing run. Refuses to know routes, and who may do what.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import BinaryIO, TypeVar

from pipeline.config import Settings
from pipeline.errors import SettingsInvalid
from pipeline.indexing.documents.approved import decide
from pipeline.library.catalogue import SELF, Domains
from pipeline.library.library import Library, is_there, library_folder
from pipeline.library.reading.pool import DocumentReaders, PageView
from pipeline.library.records import LibraryDocument
from pipeline.library.states import Decision
from pipeline.library.versions import Added, Decided, LibraryDecision, LibraryVersion
from pipeline.logs import LOGGER, fault_fields
from pipeline.service.audit.chain import SYSTEM, Actor, AuditLog, SystemActor, on_host
from pipeline.service.database.engine import State
from pipeline.service.errors import Conflict, NotInstalled, NotReady
from pipeline.service.jobs.runner import Jobs
from pipeline.service.library.page_images import PageImages
from pipeline.wiring import open_document_readers, open_library, open_removal

AUDIT_SECONDS = 10.0
"""Between two looks for decisions of a run or a command line that are not in the audit log yet."""
RETRY_SECONDS = 2.0
"""Between two looks whether another indexing run has ended."""
PERSON = "user"
Opened = TypeVar("Opened")
HOST = "host:"
"""How a decision at a command line says who made it."""


class ServedLibrary:
    """Safe to share between threads, but for `work`, which belongs to the event loop."""

    def __init__(self, settings: Settings, state: State, audit: AuditLog, jobs: Jobs) -> None:
        self._settings = settings
        self._state = state
        self._audit = audit
        self._jobs = jobs
        self._opening, self._auditing = threading.Lock(), threading.Lock()
        self._images = PageImages()
        self._stack = ExitStack()
        self._library: Library | None = None
        self._readers: DocumentReaders | None = None
        self._closed = False
        self._due: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_there(self) -> bool:
        """Whether anybody made it yet."""
        return self._library is not None or is_there(self._settings.data_dir)

    @property
    def library(self) -> Library:
        """Opened when it is first asked for."""
        with self._opening:
            if self._library is None:
                self._library = self._entered(lambda: open_library(self._settings))
            return self._library

    @property
    def folder(self) -> Path:
        """Where files lie on their way in: on the disk that keeps them."""
        return library_folder(self._settings.data_dir)

    def take_in(
        self, source: BinaryIO, file_name: str, domain: str, by: str, supersedes: str, domains: Domains
    ) -> Added:
        """Keep a file; it is read soon. Raises DomainUnknown, VersionUnknown."""
        added = self.library.take_in(source, file_name, domain, by, supersedes=supersedes, domains=domains)
        self.tell_audit()
        self.wake()
        return added

    def decide(
        self, version_ids: Sequence[str], decision: Decision, by: str, why: str, domains: Domains
    ) -> Decided:
        """What leaves is found no more when this returns; what is approved is indexed soon."""
        with open_removal(self._settings) as remove:
            decided = decide(self.library.catalogue, remove, version_ids, decision, by, why, domains)
        self.tell_audit()
        self.wake()
        return decided

    def document(self, version: LibraryVersion) -> LibraryDocument | None:
        """What was read of a version; None until it is."""
        return self.library.readings.of(version.content_hash)

    def page_image(self, version: LibraryVersion, number: int, width: int) -> bytes:
        """A PNG. Raises UnreadableDocument, LibraryError, NotInstalled."""
        wanted = (version.content_hash, number, width)
        image = self._images.get(wanted)
        if image is None:
            with self.library.originals.as_file(version.content_hash) as path:
                image = self._opened_readers().page_image(PageView(path, number, width))
            self._images.put(wanted, image)
        return image

    def _opened_readers(self) -> DocumentReaders:
        with self._opening:
            if self._readers is None:
                try:
                    self._readers = self._entered(lambda: open_document_readers(self._settings))
                except SettingsInvalid as error:
                    raise NotInstalled(error.what, remedy=error.remedy) from error
            return self._readers

    def _entered(self, open_it: Callable[[], AbstractContextManager[Opened]]) -> Opened:
        if self._closed:
            raise NotReady("The service is stopping.", remedy="Ask again in a minute.")
        return self._stack.enter_context(open_it())

    def close(self) -> None:
        """Ends the processes; what they are doing is given up."""
        with self._opening:
            self._closed = True
            self._stack.close()

    # --- the audit log

    def tell_audit(self) -> None:
        """Hang decisions that are not there yet on the audit log, each once, also after a crash in between."""
        catalogue = self.library.catalogue
        with self._auditing:
            while told := catalogue.unaudited():
                with self._state.session() as session:
                    for each in told:
                        subject = f"library:{each.version_id}:{each.number}"
                        if not self._audit.has_subject(session, subject):
                            self._audit.append(
                                session,
                                _actor(each),
                                f"document-{each.after}",
                                subject,
                                details=_details(each),
                            )
                catalogue.mark_audited([each.number for each in told])

    # --- runs

    def wake(self) -> None:
        """From any thread: something waits to be read, indexed or taken out."""
        if self._loop is not None and self._due is not None:
            self._loop.call_soon_threadsafe(self._due.set)

    async def work(self) -> None:
        """Begin a run whenever one is due, until it is cancelled."""
        self._loop, self._due = asyncio.get_running_loop(), asyncio.Event()
        if await asyncio.to_thread(self._has_work):
            self._due.set()
        while True:
            try:
                await asyncio.wait_for(self._due.wait(), AUDIT_SECONDS)
            except TimeoutError:
                await asyncio.to_thread(self._has_work)
                continue
            self._due.clear()
            try:
                await self._jobs.start_documents(SYSTEM)
            except Conflict:
                await asyncio.sleep(RETRY_SECONDS)
                self._due.set()
            except Exception as error:  # noqa: BLE001  the next upload or decision tries again
                LOGGER.error("documents could not be indexed", extra=fault_fields(error))

    def _has_work(self) -> bool:
        """Whether there may be something to do that no one told of; what was decided elsewhere is in the audit log
        then. Looks at no library that was never made."""
        if not is_there(self._settings.data_dir):
            return False
        try:
            self.tell_audit()
        except Exception as error:  # noqa: BLE001  the next decision tries again
            LOGGER.error("decisions are not in the audit log yet", extra=fault_fields(error))
        return True


def _actor(decision: LibraryDecision) -> Actor:
    if decision.by == SELF:
        return SYSTEM
    if decision.by.startswith(HOST):
        return on_host(decision.by.removeprefix(HOST))
    return SystemActor(decision.by, PERSON)


def _details(decision: LibraryDecision) -> dict[str, object]:
    """No word of a document and no reason: both may name somebody."""
    return {"number": decision.number, "before": decision.before, "domain": decision.domain[:200]}
