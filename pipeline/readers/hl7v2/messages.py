"""HL7 v2 messages taken apart: segments, fields, components, escapes.

Decides where a message and a segment begin (CR, LF or CRLF; MLLP frames; batches), which character set the bytes are
in, and what an escape sequence stands for. What is no escape sequence stays as it is written: a backslash in a note is
text, and so are the words between two of them. Refuses to know what a message means.
Layout: HL7 v2.5.1 chapter 2, https://www.hl7.org/implement/standards/product_brief.cfm?product_id=144.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.readers.plain_text.charsets import codec_of, decode

_MARK = rb"[!-/:-@\[-^`{-~]"
_MARKS = rb"(" + _MARK + rb")(" + _MARK + rb"{1,5}?)\1"
BEGINNING = re.compile(rb"[\s\x0b]*(?:MSH|FHS|BHS)" + _MARKS)
"""How a file of messages begins: a header, and the delimiters that it names."""

_HEADER = re.compile(rb"MSH" + _MARKS)
_ENVELOPE = re.compile(rb"(?:FHS|BHS)" + _MARKS)
_SEGMENT = re.compile(rb"[A-Z][A-Z0-9]{2}")
_KNOWN = frozenset(b"EVN PID PD1 NK1 PV1 PV2 ORC OBR OBX NTE TXA DSC ADD SPM CON DG1 AL1 TQ1 MSA ROL".split())
_LINE_END = re.compile(rb"\r\n|[\r\n\x0b\x1c]")
"""Also the bytes that frame a message (MLLP); in a text they are line ends as well."""
_SEQUENCES = r"[FSTREHN]|X(?:[0-9A-Fa-f]{2})+|\.(?:br|ce|sp|fi|nf|in|ti|sk)\s?[+-]?\d{0,3}"

READ_BYTES = 64 * 1024

LINES_SKIPPED_MAX = 20

# Table 0211, and what senders write instead.
_CHARSETS = {
    "ASCII": "utf-8",  # of which it is a part
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-8",  # its byte order mark was read when the file was opened
    "UTF-16": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
}
_JAPANESE = ("ISO IR14", "ISO IR87", "ISO IR159")


def holds_messages(head: bytes) -> bool:
    """Whether a message begins somewhere in the beginning of a file, after lines that are none."""
    return any(_HEADER.match(line) for line in _LINE_END.split(head))


class UnreadableMessage(Exception):
    """Why a message cannot be taken apart. Becomes an UnreadableRecord in `notes.py`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes of one message, its segments ended by CR."""

    number: int
    """Counted from 1 in its file."""
    data: bytes
    size: int
    """More than `data` holds where the message is too long to be taken."""
    cut: bool = False
    """True where the file ends inside the message: in a line of a batch or of a frame that nothing closes."""

    @property
    def complete(self) -> bool:
        return self.size == len(self.data)


def raw_messages(stream: io.BufferedReader, bytes_max: int) -> Iterator[Raw]:
    """Each message of a file. Memory is bounded by `bytes_max`: what is beyond it in a message is only counted."""
    number, data, size = 0, bytearray(), 0
    mark, usual, before, end, framed = b"|", b"\r", b"\r", b"", False
    for line, length, end in _lines(stream, bytes_max):
        header = _HEADER.match(line)
        envelope = _ENVELOPE.match(line) is not None
        framed = framed or envelope or end == b"\x0b"
        start = line[:4]
        if header or envelope or start in (b"MSH" + mark, b"FTS" + mark, b"BTS" + mark):
            if size:
                yield Raw(number, bytes(data), size)
            data, size = bytearray(), 0
            mark, usual, before = header[1] if header else mark, end, end
            if not line.startswith(b"MSH"):
                continue
            number += 1
            piece = line
        elif not size:
            continue  # before the first message, or behind the end of a batch
        else:
            piece = (b"\r" if _begins_segment(line, mark, before, usual) else b"\n") + line
            before = end
        size += length + len(piece) - len(line)
        if size <= bytes_max:
            data += piece
    if size:
        yield Raw(number, bytes(data), size, cut=framed and not end)


def _begins_segment(line: bytes, mark: bytes, before: bytes, usual: bytes) -> bool:
    """Whether a line is a segment, or a line of the text above it: some senders leave line ends in their texts.

    Where segments end in CR, an LF alone is inside a text, unless a segment that all senders use follows.
    """
    if line[3:4] != mark:
        return False
    if line[:3] in _KNOWN:
        return True
    return before in (usual, b"\r", b"\r\n") and _SEGMENT.match(line) is not None


def _lines(stream: io.BufferedReader, bytes_max: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Lines, their lengths and what ends them. No more than `bytes_max` of a line is held."""
    line, length = bytearray(), 0
    while piece := stream.read(READ_BYTES):
        if piece.endswith(b"\r"):
            piece += stream.read(1)  # the LF that may belong to it
        start = 0
        for found in _LINE_END.finditer(piece):
            line += piece[start : found.start()]
            length += found.start() - start
            yield bytes(line), length, found[0]
            line, length = bytearray(), 0
            start = found.end()
        if len(line) <= bytes_max:
            line += piece[start:]
        length += len(piece) - start
    if length:
        yield bytes(line), length, b""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters that a message separates its parts by; MSH-1 and MSH-2 name them."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment: `fields[n]` is its field n, still with repetitions, components and escapes."""

    name: str
    fields: list[str]
    message: Hl7Message

    def raw(self, number: int) -> str:
        """A field as it is written; "" where there is none or where it says that it was emptied (a pair of
        quotation marks)."""
        value = self.fields[number] if number < len(self.fields) else ""
        return "" if value == '""' else value

    def repetitions(self, number: int) -> list[str]:
        return [one for one in self.raw(number).split(self.message.marks.repetition) if one]

    def text(self, number: int, component: int = 1) -> str:
        """A component of the field's first repetition, escapes resolved, blanks around it taken off."""
        first = self.raw(number).split(self.message.marks.repetition, 1)[0]
        return self.message.component(first, component)


@dataclass(slots=True)
class Hl7Message:
    """A message taken apart."""

    marks: Delimiters
    codec: str
    segments: list[Segment] = field(default_factory=list)
    _escapes: re.Pattern[str] = field(init=False)
    _plain: dict[str, str] = field(init=False)
    """Sequences that stand for one character, or for none."""

    def __post_init__(self) -> None:
        marks = self.marks
        mark = re.escape(marks.escape) if marks.escape else r"(?!)"
        self._escapes = re.compile(f"{mark}({_SEQUENCES}){mark}")
        self._plain = {
            "F": marks.field,
            "S": marks.component,
            "T": marks.subcomponent,
            "R": marks.repetition,
            "E": marks.escape,
            "H": "",
            "N": "",
        }

    def component(self, field_text: str, number: int) -> str:
        """Component `number` (from 1) of a field, escapes resolved, blanks around it taken off."""
        parts = field_text.split(self.marks.component, number)
        value = parts[number - 1] if number <= len(parts) else ""
        value = value.strip()
        return "" if value == '""' else self.unescaped(value)

    def subcomponents(self, component: str) -> list[str]:
        return [self.unescaped(one.strip()) for one in component.split(self.marks.subcomponent)]

    def unescaped(self, text: str) -> str:
        """Escape sequences as what they stand for. What is none stays as it is written."""
        if not self.marks.escape or self.marks.escape not in text:
            return text
        return self._escapes.sub(self._meaning, text)

    def _meaning(self, found: re.Match[str]) -> str:
        sequence = found[1]
        if sequence in self._plain:
            return self._plain[sequence]
        if sequence[0] == "X":
            return self._hexadecimal(sequence[1:], found[0])
        command, count = sequence[1:3].lower(), re.sub(r"\D", "", sequence[3:])
        if command in {"br", "ce"}:
            return "\n"
        if command == "sp":
            return "\n" * min(int(count or 1), LINES_SKIPPED_MAX)
        return " " * min(int(count or 1), LINES_SKIPPED_MAX) if command == "sk" else ""

    def _hexadecimal(self, digits: str, written: str) -> str:
        try:
            text = decode(bytes.fromhex(digits), self.codec)
        except ValueError:
            return written  # bytes that are no text in this character set: nothing is guessed
        return re.sub(r"\r\n?", "\n", text)


def parse(raw: bytes) -> Hl7Message:
    """A message from its bytes. Raises Unreadable."""
    header = _HEADER.match(raw)
    if header is None:
        raise UnreadableMessage(
            "The message does not name its delimiters.",
            "Its MSH segment begins otherwise than MSH|^~\\&|. Send it again as the interface's definition says.",
        )
    field_mark, others = header[1].decode("latin-1"), header[2].decode("latin-1")
    component, repetition, escape, subcomponent = list(f"{others:\0<4}"[:4])
    if len(set(others)) < len(others):
        raise UnreadableMessage(
            "The message does not name its delimiters.",
            "MSH-2 names one character twice. Correct the sender.",
        )
    codec = _codec(raw.split(b"\r", 1)[0].decode("latin-1").split(field_mark), repetition)
    try:
        text = decode(raw, codec)
    except UnicodeDecodeError as error:
        raise UnreadableMessage(
            "The message's bytes are not in the character set it names.",
            f"Byte {error.start + 1:,} of the message does not fit {codec}. Name the right one in MSH-18, for example "
            "8859/1, or convert the file: iconv -f WINDOWS-1252 -t UTF-8 FILE > converted.",
        ) from error
    message = Hl7Message(
        Delimiters(field_mark, component, repetition, escape.strip("\0"), subcomponent), codec
    )
    for line in text.split("\r"):
        fields = line.rstrip("\n").split(field_mark)
        if fields[0] == "MSH":
            fields.insert(1, field_mark)  # MSH-1 is the delimiter itself
        if fields[0] == "ADD" and message.segments:
            previous = message.segments[-1].fields
            previous[-1] += fields[1] if len(fields) > 1 else ""
            previous.extend(fields[2:])
        else:
            message.segments.append(Segment(fields[0].strip(), fields, message))
    return message


def _codec(header: list[str], repetition: str) -> str:
    """The codec of MSH-18; UTF-8 where it says nothing. Raises Unreadable."""
    named = [one.strip().upper() for one in (header[17] if len(header) > 17 else "").split(repetition) if one]
    if any(one in _JAPANESE for one in named):
        return "iso2022_jp_2"
    if not named:
        return "utf-8"
    name = named[0].removeprefix("ISO-").removeprefix("ISO")
    if part := re.fullmatch(r"8859[/-](\d{1,2})", name):
        name = f"iso-8859-{part[1]}"
    codec = codec_of(_CHARSETS.get(named[0], name))
    if codec is None or codec.startswith(("utf-16", "utf-32")):
        raise UnreadableMessage(
            "The message names an unknown character set.",
            "MSH-18 is for example ASCII, 8859/1 or UNICODE UTF-8. Correct the sender, or convert the file to UTF-8 "
            "and leave MSH-18 empty.",
        )
    return "utf-8" if codec == "ascii" else codec
