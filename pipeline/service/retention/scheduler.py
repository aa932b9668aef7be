"""What has to be done now and then while the service runs: remove texts whose time is over, and log an anchor.

An anchor in the log (level info) leaves the host with the log, which is what makes it worth something. A failure is
logged and tried again at the next turn: it must not end the service. Several services on one database may all do it.
"""

from __future__ import annotations

import threading

from pipeline.config import ServiceSettings
from pipeline.errors import ChartwellError
from pipeline.logs import LOGGER, fault_fields
from pipeline.service.audit.chain import AuditLog
from pipeline.service.database.engine import State
from pipeline.service.errors import Unexpected
from pipeline.service.retention.removal import apply_retention

EVERY_SECONDS = 3600.0


class MaintenanceTask:
    """A thread that does it at the start and then every hour, until it is stopped."""

    def __init__(
        self,
        state: State,
        audit: AuditLog,
        settings: ServiceSettings,
        *,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._state = state
        self._audit = audit
        self._settings = settings
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after what it is doing. Does nothing where it never began."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def once(self) -> None:
        """One turn. Raises a ChartwellError where the state is away."""
        removed = apply_retention(self._state, self._audit, self._settings)
        if removed.conversations or removed.receipt_texts:
            LOGGER.info(
                "texts whose time was over are removed",
                extra={"conversations": removed.conversations, "receipt_texts": removed.receipt_texts},
            )
        anchor = self._audit.anchor()
        LOGGER.info("audit anchor", extra={"number": anchor.number, "hash": anchor.hash})

    def _run(self) -> None:
        while True:
            try:
                self.once()
            except Exception as error:  # noqa: BLE001  logged by its class: the thread goes on, the next turn tries again
                code = error.code if isinstance(error, ChartwellError) else Unexpected.code
                LOGGER.error(
                    "upkeep failed; it is tried again later",
                    extra={"code": code, **fault_fields(error)},
                )
            if self._stop.wait(self._every_seconds):
                return
