"""Damages valid files of every format and reads each among good ones: accepted or rejected with a reason, nothing else.

`python -m tests.fuzz_readers --cases 2000 --seed 1` prints what became of the cases and ends with 1 where one fails;
the suite runs a shorter one. A case fails where reading raises anything, where a record of another file is lost, where
a fault of this program had to be caught, where one note holds two patients' words, or where it takes too long.
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import io
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import IndexingSettings
from pipeline.errors import InputError
from pipeline.indexing.chunking import chunk_document
from pipeline.indexing.validation import ValidNote, accept_all
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import Rejection

SECONDS_MAX = 20.0
WORDS = ("mulberry", "hawthorn", "sycamore", "tamarind", "juniper", "chestnut")
"""Each in the notes of one patient only."""
PATIENTS = len(WORDS)
GOOD = 3
"""Notes in the good file on either side of the damaged one."""

DATA = Path(__file__).parent / "data"
MAPPING = FieldMapping.parse((), ("patient_id=p", "document_type=note"))
SETTINGS = IndexingSettings(note_characters_max=100_000)


def _text(number: int) -> str:
    return (
        f"{WORDS[number]} Progress note.\n"
        'Temperature 36,8, pulse 72, BP <130/80. He said "fine", then left; D\u00e9j\u00e0 vu.\n'
        f"Plan: rest, fluids, {WORDS[number]} again."
    )


def _notes() -> list[dict[str, object]]:
    return [
        {
            "note_id": f"n{number}",
            "patient_id": f"p{number}",
            "note_type": "Progress note",
            "date": f"2024-03-1{number}",
            "note_text": _text(number),
            "score": 1.5,
            "tags": ["a", {"b": None}],
        }
        for number in range(PATIENTS)
    ]


def _table(delimiter: str, ending: str = "\r\n") -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=ending)
    names = ["note_id", "patient_id", "note_type", "date", "note_text"]
    writer.writerow(names)
    writer.writerows([[note[name] for name in names] for note in _notes()])
    return written.getvalue().encode()


def _resource(number: int) -> dict[str, object]:
    data = base64.b64encode(_text(number).encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": f"d{number}",
        "status": "current",
        "meta": {"versionId": "1", "lastUpdated": "2024-03-10T10:00:00Z"},
        "type": {"text": "Progress note"},
        "subject": {"reference": f"Patient/p{number}"},
        "date": "2024-03-10T10:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
    }


def _seeds() -> dict[str, bytes]:
    """Valid files by name: our own, and those of the readers' tests."""
    notes = _notes()
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"urn:uuid:{number}", "resource": _resource(number)} for number in range(PATIENTS)
        ],
    }
    lines = "".join(json.dumps(note, ensure_ascii=False) + "\n" for note in notes)
    own = {
        "lines.jsonl": lines.encode(),
        "array.json": json.dumps(notes).encode(),
        "pretty.json": json.dumps(notes, indent=2).encode(),
        "wrapped.json": json.dumps({"count": PATIENTS, "notes": notes}).encode(),
        "table.csv": _table(","),
        "semicolons.csv": _table(";", "\n"),
        "tabs.tsv": _table("\t", "\r"),
        "note.txt": _text(0).encode(),
        "note.html": f"<html><body><p>{_text(0)}</p></body></html>".encode(),
        "bundle.json": json.dumps(bundle).encode(),
        "resources.ndjson": "".join(
            json.dumps(_resource(number)) + "\n" for number in range(PATIENTS)
        ).encode(),
        "packed.jsonl.gz": gzip.compress(lines.encode(), mtime=0),
        "wide.csv": _table(",").decode().encode("utf-16"),
    }
    folders = (DATA / name for name in ("fhir", "cda", "hl7v2"))
    found = {
        path.name: path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {**own, **found}


def _flip(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _lines(content: bytes, chance: random.Random) -> bytes:
    """A line deleted, doubled, or two exchanged."""
    lines = content.splitlines(keepends=True)
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(3):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case _:
            lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def _put(*pieces: bytes) -> Callable[[bytes, random.Random], bytes]:
    """One of these at a few places."""

    def damage(content: bytes, chance: random.Random) -> bytes:
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content) + 1)
            content = content[:at] + chance.choice(pieces) + content[at + chance.randrange(2) :]
        return content

    return damage


def _instead(*pieces: bytes) -> Callable[[bytes, random.Random], bytes]:
    """One of these instead of a value or a word."""

    def damage(content: bytes, chance: random.Random) -> bytes:
        start = chance.randrange(len(content))
        marks = [content.find(mark, start) for mark in (b":", b",", b"|", b">", b"\t")]
        at = min((mark for mark in marks if mark >= 0), default=start) + 1
        return content[:at] + chance.choice(pieces) + content[at + chance.randrange(12) :]

    return damage


def _piece(content: bytes, chance: random.Random) -> bytes:
    """A stretch deleted, doubled, or put elsewhere."""
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 400))
    piece, rest = content[start:end], content[:start] + content[end:]
    at = chance.randrange(len(rest) + 1)
    return chance.choice((rest, content[:end] + piece + content[end:], rest[:at] + piece + rest[at:]))


def _encoded(content: bytes, chance: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(
        chance.choice(("latin-1", "utf-16", "utf-16-le", "utf-32", "cp500", "utf-7", "gb18030")), "replace"
    )


def _deleted_bytes(content: bytes, chance: random.Random) -> bytes:
    mark = chance.choice((b'"', b",", b"}", b"]", b"\n", b"\r", b">", b"|", b"="))
    return (
        content.replace(mark, b"", chance.randint(1, 3))
        if chance.random() < 0.7
        else content.replace(mark, b"")
    )


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bits": _flip,
    "cut": _cut,
    "lines": _lines,
    "pieces": _piece,
    "quotes": _put(b'"', b'""', b"'", b'\\"', b'"\n', b',"', b'",'),
    "marks": _put(
        b"<",
        b">",
        b"&",
        b"&#99999999999;",
        b"]]>",
        b"<!--",
        b"\\",
        b"|",
        b"^",
        b"~",
        b"\x0b",
        b"\x1c\r",
        b"\0",
    ),
    "nesting": _put(b"[" * 3000, b"{" * 3000, b'{"a":' * 3000, b"]" * 3000, b"<a>" * 3000, b"<div>" * 3000),
    "types": _instead(
        b"null", b"[]", b"{}", b"true", b"-1", b"[[1]]", b'{"a":1}', b'"x"', b"NaN", b"Infinity", b""
    ),
    "numbers": _instead(
        b"9" * 5000, b"1e999", b"-0", b"1" * 400, b"0.0000000000000000001", b"99999999999999999999"
    ),
    "characters": _put(
        "\u202e".encode(), "\ufeff".encode(), b"\xed\xa0\x80", b"\xff", b"\\ud800", b"\\u0000", b"\x1b[31m"
    ),
    "encoding": _encoded,
    "missing": _deleted_bytes,
}

WORDS_STAY = frozenset(DAMAGES) - {"pieces", "lines"}
"""The others may put one patient's words into another's note, which no one can see afterwards."""


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged file and what became of it."""

    name: str
    damage: str
    accepted: int
    rejected: int
    seconds: float
    problems: tuple[str, ...]


def run_case(name: str, content: bytes, damage: str, chance: random.Random) -> Case:
    """Damage a file, once or twice, and read it between two good ones."""
    damaged = content
    kinds = [damage, *([chance.choice(list(DAMAGES))] if chance.random() < 0.3 else [])]
    for kind in kinds:
        damaged = DAMAGES[kind](damaged, chance) or b" "
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "notes"
        folder.mkdir()
        for at in ("0-good", "z-good"):
            lines = (json.dumps({"id": f"{at}-{number}", "text": "Chest pain."}) for number in range(GOOD))
            (folder / f"{at}.jsonl").write_text("\n".join(lines))
        (folder / f"m-{name}").write_bytes(damaged)
        started = time.perf_counter()
        accepted, rejected, problems = _read(folder, words_stay=WORDS_STAY.issuperset(kinds))
        seconds = time.perf_counter() - started
    if seconds > SECONDS_MAX:
        problems.append(f"took {seconds:.0f} s")
    return Case(name, damage, accepted, rejected, seconds, tuple(problems))


def _read(folder: Path, *, words_stay: bool) -> tuple[int, int, list[str]]:
    accepted = rejected = good = 0
    problems: list[str] = []
    try:
        for item in accept_all(read_sources([str(folder)], MAPPING, SETTINGS), SETTINGS):
            if isinstance(item, Rejection):
                rejected += 1
                problems += _problems_of(item)
            elif isinstance(item, ValidNote):
                accepted += 1
                good += "-good" in item.position
                problems += _problems_in(item, words_stay=words_stay)
    except InputError as error:
        problems.append(f"the whole folder was refused: {error.what[:200]}")
    except Exception as error:  # noqa: BLE001  what the fuzz looks for; it is reported
        problems.append(f"raised {type(error).__name__}: {str(error)[:200]}")
    if good != 2 * GOOD:
        problems.append(f"{2 * GOOD - good} good records were lost")
    return accepted, rejected, problems


def _problems_of(rejection: Rejection) -> list[str]:
    found = [f"no {name}" for name in ("reason", "remedy", "position") if not getattr(rejection, name)]
    if "fault in this program" in rejection.reason:
        found.append(f"a fault was caught: {rejection.remedy[:80]}")
    if "-good" in rejection.position:
        found.append(f"a good record was rejected: {rejection.reason}")
    return [
        *found,
        *(f"{word} is in a message" for word in _words(rejection.reason + rejection.remedy)),
    ]


def _problems_in(item: ValidNote, *, words_stay: bool) -> list[str]:
    document = item.document
    chunk_document(document, count_tokens=lambda texts: [len(text) // 4 for text in texts], tokens_max=160)
    words = _words(document.text_content) if words_stay else []
    return [f"one note holds the words of {len(words)} patients"] if len(words) > 1 else []


def _words(text: str) -> list[str]:
    return [word for word in WORDS if word in text]


def fuzz(cases: int, seed: int) -> list[Case]:
    """So many cases, formats and damages by turns, the same for the same seed."""
    seeds, damages = list(_seeds().items()), list(DAMAGES)
    found = []
    for number in range(cases):
        chance = random.Random(f"{seed}-{number}")
        name, content = seeds[number % len(seeds)]
        found.append(run_case(name, content, damages[(number // len(seeds) + number) % len(damages)], chance))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = fuzz(options.cases, options.seed)
    for number, case in enumerate(found):
        for problem in case.problems:
            print(f"case {number}: {case.name}, {case.damage}: {problem}")
    kinds = Counter(Path(case.name.removesuffix(".gz")).suffix for case in found)
    print(", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items())))
    print(
        f"{len(found)} damaged files: {sum(case.accepted for case in found)} notes accepted, "
        f"{sum(case.rejected for case in found)} rejections, longest {max(case.seconds for case in found):.1f} s, "
        f"{sum(bool(case.problems) for case in found)} failed"
    )
    sys.exit(any(case.problems for case in found))


if __name__ == "__main__":
    main()
