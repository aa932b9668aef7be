"""What is no text, or of no format that is read: what people hand in by mistake, and what to do with it.

Decides by the first bytes, then by the name. Refuses to know what is read: the registry adds that, and asks the readers
whose magic stands there before any of this is looked at.
"""

from __future__ import annotations

import re

from pipeline.readers.reader import UnreadableSource

# First bytes of what people hand in by mistake, and what to do with it.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF", "Convert it to text first, for example with pdftotext."),
    (
        b"PK\x03\x04",
        "a ZIP archive or an Office file",
        "Unpack it, or save the sheet as CSV or the document as text.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "Save it as CSV or as text."),
    (b"{\\rtf", "an RTF document", "Save it as plain text."),
    (b"PAR1", "a Parquet file", "Write it as JSON Lines, for example with duckdb or pandas."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it: zstd -dc FILE | ... -"),
    (b"BZh", "compressed with bzip2", "Unpack it: bzip2 -dc FILE | ... -"),
    (b"\xfd7zXZ", "compressed with xz", "Unpack it: xz -dc FILE | ... -"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it."),
    (b"SQLite format 3", "an SQLite database", "Export the table of notes as CSV."),
    (b"\x89PNG", "an image", "Images are not notes."),
    (b"\xff\xd8\xff", "an image", "Images are not notes."),
)

_CURES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".pdf",), "Convert it to text first, for example with pdftotext."),
    ((".doc", ".docx", ".odt", ".rtf"), "Save it as plain text."),
    ((".xls", ".xlsx", ".ods"), "Save the sheet as CSV."),
    ((".zip", ".tar", ".tgz", ".7z", ".bz2", ".xz", ".zst"), "Unpack it."),
    ((".mdm", ".oru"), "Name it .hl7 where it holds HL7 v2 messages."),
    ((".eml", ".msg", ".mht", ".mhtml"), "Save the text of the message."),
    (
        (".parquet", ".feather", ".arrow", ".sas7bdat", ".dta", ".rds", ".xpt"),
        "Write it as JSON Lines or CSV.",
    ),
    ((".db", ".sqlite", ".mdb", ".accdb"), "Export the table of notes as CSV."),
    ((".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff"), "Images are not notes."),
)
"""For names of no format that is read, where the first bytes do not say more."""


class UnknownFormat(UnreadableSource):
    """No reader takes it. The registry says which formats there are."""


def refuse_binary(head: bytes) -> None:
    """Raises UnknownFormat where what begins like this is no text, UnreadableSource where it is text of another width
    without the mark that says so."""
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic):
            raise UnknownFormat("The file is not text.", f"It is {what}. {remedy}")
    if head[257:262] == b"ustar":
        raise UnknownFormat("The file is not text.", "It is a tar archive. Unpack it.")
    if b"\0" in head:
        _refuse_zeros(head[:4096])
    if len(re.findall(rb"[\x00-\x08\x0e-\x1a\x7f]", head)) > 0.05 * len(head):
        raise UnknownFormat("The file is not text.", "It is full of control bytes: a binary format.")


def _refuse_zeros(start: bytes) -> None:
    if start.count(0) > 0.6 * len(start):
        raise UnreadableSource(
            "The file is UTF-32 without a byte order mark.",
            "Convert it: iconv -f UTF-32LE -t UTF-8 FILE > converted (UTF-32BE if that gives nonsense).",
        )
    zeros = [position % 2 for position, byte in enumerate(start) if byte == 0]
    if len(zeros) > 0.3 * len(start) and len(set(zeros)) == 1:
        raise UnreadableSource(
            "The file is UTF-16 without a byte order mark.",
            "Convert it: iconv -f UTF-16LE -t UTF-8 FILE > converted (UTF-16BE if that gives nonsense).",
        )
    raise UnknownFormat("The file is not text.", "It holds zero bytes: a binary format.")


def cure(name: str) -> str:
    """What to do with a file of this name; "" for a name that says nothing."""
    return next((cure for suffixes, cure in _CURES if name.endswith(suffixes)), "")
