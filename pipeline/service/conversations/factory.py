"""Puts the parts of history together over one state. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Settings
from pipeline.service.audit.chain import AuditLog
from pipeline.service.audit.receipts import Receipts
from pipeline.service.conversations.feedback import FeedbackStore
from pipeline.service.conversations.store import Conversations, Holders, ImageSight, Sight
from pipeline.service.database.engine import State
from pipeline.service.jobs.records import JobHistory


@dataclass(frozen=True, slots=True)
class History:
    """What people did. Safe to share between threads."""

    receipts: Receipts
    conversations: Conversations
    feedback: FeedbackStore
    jobs: JobHistory


def open_history(
    state: State,
    audit: AuditLog,
    settings: Settings,
    sight: Sight,
    image_sight: ImageSight = lambda ids, scope: {},
    holders: Holders = lambda ids: {},
) -> History:
    """The parts, writing to that audit log. `sight`, `image_sight`: which notes and images a scope admits at this
    moment. `holders`: whose notes are."""
    receipts = Receipts(state, audit)
    return History(
        receipts=receipts,
        conversations=Conversations(state, audit, receipts, settings.service, sight, image_sight, holders),
        feedback=FeedbackStore(state, audit, receipts),
        jobs=JobHistory(state, audit),
    )
