"""What an answer says of films: what their cleaned descriptions say, dated, each line cited by its film.

Decides that a film is told in no other words than its passage, which is checked like a quotation of a note; that a
line of ours over films claims nothing of a patient; and how many are told. Refuses to know how they were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pipeline.answering.images.stored_films import FILMS_READ_MAX, StoredFilms
from pipeline.answering.note_access import note_as_told
from pipeline.answering.questions.asked.films import AskedFilms
from pipeline.answering.questions.plan import AskedTime
from pipeline.answering.verification import check_statement
from pipeline.images import image_hit
from pipeline.ports import ImageStore, Store
from pipeline.records import AccessScope, Citation, FoundBy, FoundImage, Hit, Statement

FILMS_TOLD_MAX = 8
_FOUND_BY: Mapping[FoundBy, str] = MappingProxyType(
    {
        "report": "what their reports say",
        "text": "the question's words",
        "image": "their look",
        "metadata": "what is known of them",
    }
)


def film_statement(
    hit: Hit, number: int, store: Store, images: ImageStore, scope: AccessScope, *, names_patient: bool
) -> Statement | None:
    """What is known of a film, cited as [number]; None where the film is not as it was found any more. `names_patient`:
    where films of several stand together."""
    checked = check_statement(f'"{hit.text}" [1]', [hit], lambda _: note_as_told(store, hit, scope, images))
    if checked is None:
        return None
    cited = tuple(replace(citation, number=number) for citation in checked.citations)
    whose = f"Patient {hit.patient_id}: " if names_patient else ""
    return Statement(f"{whose}{hit.text} [{number}]", cited)


def lead_over(
    films: StoredFilms, asked: AskedFilms, time: AskedTime, told: int, *, patients: int
) -> Statement:
    """What the films below are, and how many there are. `patients`: how many they may be of."""
    of = _of(patients)
    called, number = asked.called, len(films.films)
    first = f", the newest {told}" if told < number else ""
    of_time = _of_time(time)
    if films.unlabelled:
        by = _FOUND_BY[films.films[0].found_by]
        none = f"No {called} {of} stored here{of_time} is labelled with {asked.label}"
        text = f"{none}; {number} found by {by}{first}:"
    elif films.uncertain:
        none = f"No image {of} stored here{of_time} is known to be {called}"
        text = f"{none}; of these it is not known{first}:"
    elif time.order is not None and not asked.earlier and all(film.description.date for film in films.films):
        which = "oldest" if time.order == "first" else "newest"
        text = f"The {which} {called} {of} stored here{of_time}:"
    else:
        every = asked.label and all(asked.is_labelled(film.description) for film in films.films)
        labelled = f", labelled with {asked.label}" if every else ""
        counted = many(number, f"earlier {called}" if asked.earlier else called, complete=films.all_read)
        text = f"{counted} {of} stored here{of_time}{labelled}{first}:"
    return Statement(text, ())


def nothing_stored(asked: AskedFilms, films: StoredFilms, time: AskedTime, *, patients: int) -> str:
    """That there is no such film, and no more: what lies out of sight is not there."""
    of = f" {_of(patients)}" if patients else ""
    called = f"earlier {asked.called}" if asked.earlier else asked.called
    among = "" if films.all_read else f"Of those that were looked at, the newest {FILMS_READ_MAX}: "
    if films.unlabelled:
        return f"{among}No {called}{of} stored here{_of_time(time)} is labelled with {asked.label}."
    return f"{among}No {called}{of} is stored here{_of_time(time)}."


def many(number: int, called: str, *, complete: bool = True) -> str:
    """How many films, as 1 film, 2 films, or 400 or more films where not all were counted."""
    counted = f"{number}" if complete else f"{number} or more"
    return f"{counted} {called}" if number == 1 else f"{counted} {called}s"


def _of_time(time: AskedTime) -> str:
    limited = time.since or time.until or time.either
    return " that is known to be of the time asked for" if limited else ""


def _of(patients: int) -> str:
    return "of this patient" if patients == 1 else "of these patients"


def film_hits(films: StoredFilms) -> tuple[Hit, ...]:
    """The films that an answer tells of, as passages."""
    return tuple(image_hit(film.description, film.similarity or 0.0) for film in films.films[:FILMS_TOLD_MAX])


def numbered(found: Sequence[FoundImage], citations: Sequence[Citation]) -> tuple[FoundImage, ...]:
    """The images with the numbers of their citations."""
    numbers = {each.resource_id: each.number for each in citations if each.region is not None}
    return tuple(replace(each, number=numbers.get(each.image_id, 0)) for each in found)
