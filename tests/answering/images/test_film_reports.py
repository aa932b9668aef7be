"""What is said of chosen films: their own report first, and of other notes nothing without its day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.answering.images.film_reports import reports_of
from pipeline.images import EmbeddedImage
from pipeline.records import Filters
from tests.answering.images.conftest import ANNA, BEN, DORA, NO_PSYCHIATRY, Ward, described

_CHEST = {"modality": "DX", "body_part": "CHEST", "view": "PA"}
ASKED = {
    "latest": (
        "Does Anna Mitchell have an effusion on her latest film?",
        'Report of the film of 4 March 2019: "Small left pleural effusion." [1]',
        ["r1", "f-new"],
    ),
    "from a year": (
        "What did the chest film of Ben Okafor from 2020 show?",
        'Report of the film of 1 June 2020: "Large right pleural effusion." [1]',
        ["r2", "f-ben"],
    ),
    "of a part": (
        "What does the chest X-ray of patient P400 show?",
        'Report of the film of 5 May 2022: "IMPRESSION: Cardiomegaly." [1]',
        ["r4", "f-dora"],
    ),
    "denied": (
        "Does P400's chest x-ray of 2022 show a pneumothorax?",
        'Report of the film of 5 May 2022: "No pneumothorax." [1]',
        ["r4", "f-dora"],
    ),
    "still there": (
        "Has the cardiomegaly resolved on P400's latest film?",
        'Report of the film of 5 May 2022: "IMPRESSION: Cardiomegaly." [1]',
        ["r4", "f-dora"],
    ),
    "only in the indication": (
        "Does Dora Nyberg's latest film show an effusion?",
        "Not stated in the report of the film of 5 May 2022.",
        None,
    ),
    "no report": (
        "Does Anna Mitchell have an effusion on the film of 20 November 2017?",
        "No report is known to be of the film of 20 November 2017.",
        None,
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _film_of_dora(ward: Ward) -> None:
    film = described("f-dora", DORA, {**_CHEST, "date": "2022-05-05", "report_id": "r4"})
    ward.images.upsert([EmbeddedImage(film, ward.images.vectors(["f-new"])["f-new"])])


@pytest.mark.parametrize("case", ASKED)
def test_the_report_of_the_chosen_film_answers_before_all_other_notes(ward: Ward, case: str) -> None:
    text, first, cited = ASKED[case]
    answer = ward.ask(text)
    assert answer.statements[0].text == first
    assert cited is None or [each.resource_id for each in answer.citations] == cited
    assert [each.number for each in answer.citations] == list(range(1, len(answer.citations) + 1))
    assert "No relevant" not in answer.text
    assert "Not stated in the notes" not in answer.text


@pytest.mark.parametrize("case", ["only in the indication", "no report"])
def test_what_other_notes_say_is_dated(ward: Ward, case: str) -> None:
    answer = ward.ask(ASKED[case][0])
    others = [each for each in answer.statements if each.citations and each.citations[0].region is None]
    for statement in others:
        assert (statement.citations[0].date or "") in statement.text.split('"')[0]
    assert bool(others) is (case == "no report")


def test_films_and_notes_about_a_finding_are_told_over_time(ward: Ward) -> None:
    answer = ward.ask("What did the films and the notes say about her effusion?", patients=(DORA,))
    assert answer.question == "What did the films and the notes say about her effusion?"
    assert [part.text for part in answer.understood if part.part == "finding"] == ["effusion"]
    assert "Her pleural effusion was drained in 2020." in answer.text
    assert "Not stated" not in answer.text


def test_where_no_patient_is_named_each_sentence_has_whose_it_is(ward: Ward) -> None:
    answer = ward.ask("What did the films and the notes say about the effusion?")
    said = [each for each in answer.statements if each.citations]
    assert {each.citations[0].patient_id for each in said} >= {ANNA, BEN}
    assert all(each.text.startswith(f"Patient {each.citations[0].patient_id}") for each in said)


def test_a_report_of_another_patient_is_no_report_of_the_film(ward: Ward) -> None:
    film = described("f-x", BEN, {"date": "2020-06-01", "report_id": "r1"})
    vector = ward.embedder.embed(["effusion"], "query")[0]
    scope = Filters(patient_ids=(BEN, ANNA), scope=NO_PSYCHIATRY)
    assert reports_of([film], ward.store, scope, lambda: vector) == []
    own = replace(film, report_id="r2")
    assert [each.note.resource_id for each in reports_of([own], ward.store, scope, lambda: vector)] == ["r2"]
