"""Notes in HL7 v2 messages: documents of MDM, reports of ORU.

Decides which messages may hold a note, and that each is read by itself, so that none costs another. Messages of other
events hold none and are passed over. Refuses to know bytes and delimiters; that is `messages.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from pipeline.readers.faults import fault
from pipeline.readers.hl7v2.documents import read_document
from pipeline.readers.hl7v2.messages import (
    BEGINNING,
    Raw,
    UnreadableMessage,
    holds_messages,
    parse,
    raw_messages,
)
from pipeline.readers.hl7v2.reports import read_reports
from pipeline.readers.json.stream import too_long
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import (
    Certainty,
    Opened,
    Reader,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)

NOTE_MESSAGES = ("MDM", "ORU")

HEADER_BYTES = 4096


def read_hl7v2(stream: io.BufferedReader, bytes_max: int) -> Iterator[ReadItem]:
    """The notes of a file of messages, one message at a time."""
    for raw in raw_messages(stream, bytes_max):
        if _other_event(raw.data):
            continue
        position = f"message {raw.number}"
        if not raw.complete:
            yield too_long(position, bytes_max, raw.size)
        elif raw.cut:
            yield UnreadableRecord(
                position,
                "The message ends before it is complete.",
                "The file ends inside it, before the end of its batch or frame; the messages before were read. "
                "Fetch or export the file again.",
                whole=True,
            )
        else:
            yield from _safely(raw, position)


def _safely(raw: Raw, position: str) -> list[ReadItem]:
    try:
        return list(_notes(raw, position))
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one message must not cost the others
        return [fault(position, error)]


def _other_event(raw: bytes) -> bool:
    """Whether a message says at its beginning that it holds no note, so that it need not be taken apart."""
    header = raw[:HEADER_BYTES].partition(b"\r")[0].split(raw[3:4], 9)
    return len(header) > 9 and header[8][:3].isalpha() and header[8][:3].decode() not in NOTE_MESSAGES


def _notes(raw: Raw, position: str) -> Iterator[ReadItem]:
    try:
        message = parse(raw.data)
    except UnreadableMessage as error:
        yield UnreadableRecord(position, error.reason, error.remedy)
        return
    header = message.segments[0]
    if len(header.fields) <= 9 or header.text(9) not in NOTE_MESSAGES:
        if not header.text(9):
            yield UnreadableRecord(
                position,
                "The message does not say what it is.",
                "MSH-9 is empty. Correct the sender: MDM^T02 for documents, ORU^R01 for reports.",
            )
        return
    if any(segment.raw(1) for segment in message.segments if segment.name == "DSC"):
        yield UnreadableRecord(
            position,
            "The message is continued in another one.",
            "Its DSC segment says so: a part of a report would be taken for the whole. Have the interface put the "
            "parts together.",
        )
        return
    if header.text(9) == "MDM":
        yield from read_document(message, header, raw, position)
    else:
        yield from read_reports(message, header, raw, position)


class Hl7v2Reader(Reader):
    """Files of messages, whatever they are called; a file called so that holds none is refused."""

    title = "HL7 v2 messages (.hl7)"
    suffixes = (".hl7", ".hl7v2", ".er7")
    content_kinds = ("x-application/hl7-v2+er7", "application/hl7-v2", "application/hl7-v2+er7")
    without_notes = f"HL7 v2 messages other than {' and '.join(NOTE_MESSAGES)} with text hold none"

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return Certainty.CERTAIN if named is self or BEGINNING.match(utf8(opened).head) else None

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        head = utf8(opened).head
        if BEGINNING.match(head) or holds_messages(head):
            return None
        return UnreadableSource(
            "The file is not HL7 v2.",
            "No line of its beginning opens a message (MSH|^~\\&|). Give the file the suffix of its format.",
        )

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        return read_hl7v2(utf8(opened).stream, options.bytes_max)
