"""Makes the set `synthea`: questions with exact truth over notes that Synthea wrote from its own tables.

`python -m benchmarks.answers.synthea --data ../shared/data --out benchmarks/answers/synthea`

Synthea writes each note from a template, so a note is read back without doubt (`synthea_notes`); its bundles hold the
same, where there are some (a test compares them). What tables hold and no note says (weights, pulses, visits without a
note, conditions of long ago) makes the questions whose truth is "not stated". Decides which questions are asked, in
which words, and how a patient is named, all by one seed. Refuses to know how answers are judged. Patients are split,
not questions: no one of the held split is in the development split.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.answers.synthea_cohort import questions_about_all, questions_about_nobody
from benchmarks.answers.synthea_notes import Person, Row, Tables, person_of
from benchmarks.answers.synthea_patient import questions_about

SEED = 12
HELD = 8
"""Patients of the held split."""
RICH = {"development": "a4abb8bd-c78c-e552-3037-471a46cac3c7", "held": "0724714f-947b-6cab-ee85-b0de7a9ad3f7"}
"""The only patients with procedures and prescriptions, and with a list of medications: one a split."""
OBSERVED = {
    "Weight": "weight",
    "Height": "height",
    "PULSE": "pulse",
    "TEMPERATURE": "temperature",
    "BLOOD OXYGEN SATURATION": "oxygen saturation",
    "HIV viral load": "HIV viral load",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the set of questions over Synthea's notes.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with notes/ and synthea_csv/")
    parser.add_argument("--out", type=Path, required=True, help="the set's folder")
    options = parser.parse_args()
    records = note_records(options.data)
    tables = _tables(options.data)
    for split, people in _splits(records).items():
        folder = options.out / split
        folder.mkdir(parents=True, exist_ok=True)
        ids = {person.id for person in people}
        _write(folder / "notes.jsonl", (record for record in records if record["patient_id"] in ids))
        _write(folder / "questions.jsonl", _questions(split, people, tables))


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def note_records(data: Path) -> list[Row]:
    """The notes as they are indexed, each with the name that its patient's record has."""
    people = {row["id"]: row for row in _table(data, "patients")}
    text = (data / "notes" / "synthea_notes.jsonl").read_text(encoding="utf-8")
    return [
        {
            "resource_id": note["id"],
            "patient_id": note["patient_id"],
            "patient_name": people[note["patient_id"]]["name"],
            "patient_sex": people[note["patient_id"]]["gender"],
            "patient_birth_date": people[note["patient_id"]]["birthDate"],
            "document_type": note["type"],
            "date": note["date"],
            "author": note["author"],
            "encounter_id": note["encounter_id"],
            "text_content": note["text"],
        }
        for note in map(json.loads, text.splitlines())
    ]


def _table(data: Path, name: str) -> list[dict[str, str]]:
    with (data / "synthea_csv" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _tables(data: Path) -> Tables:
    visits, observed, conditions = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in _table(data, "encounters"):
        visits[row["patient"]].append(row["start"][:10])
    for row in _table(data, "observations"):
        if row["display"] in OBSERVED:
            observed[row["patient"]].append(OBSERVED[row["display"]])
    for row in _table(data, "conditions"):
        conditions[row["patient"]].append(row["display"].lower())
    return Tables(visits, observed, conditions)


def _splits(records: Sequence[Row]) -> dict[str, list[Person]]:
    people = [
        person_of(list(notes)) for _, notes in groupby(records, key=lambda record: record["patient_id"])
    ]
    others = sorted((each for each in people if each.id not in RICH.values()), key=lambda each: each.id)
    random.Random(SEED).shuffle(others)
    rich = {split: [each for each in people if each.id == id_] for split, id_ in RICH.items()}
    return {
        "development": rich["development"] + others[HELD - 1 :],
        "held": rich["held"] + others[: HELD - 1],
    }


def _questions(split: str, people: Sequence[Person], tables: Tables) -> Iterator[Row]:
    chance = random.Random(f"{SEED} {split}")
    asked = [
        *(row for person in people for row in questions_about(person, tables, people, chance)),
        *questions_about_all(people),
        *questions_about_nobody(chance),
    ]
    for number, row in enumerate(asked, start=1):
        yield {"id": f"{split[0]}{number:04d}", **row}


if __name__ == "__main__":
    main()
