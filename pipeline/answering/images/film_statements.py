"""What an answer says of films: what their cleaned descriptions say, dated, each line cited by its film.

Decides that a film is told in no other words than its passage, which is checked like a quotation of a note; that a
line of ours over films claims nothing of a patient; and how many are told. Refuses to know how they were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pipeline.answering.images.stored_films import FILMS_READ_MAX, StoredFilm, StoredFilms
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
    films: StoredFilms, asked: AskedFilms, time: AskedTime, told: int, *, patients: Sequence[str]
) -> Statement:
    """What the films below are, and how many there are. `patients`: whom they may be of."""
    of = _of(len(patients))
    called, number = asked.called, len(films.films)
    newest = f", the newest of each, {told} in all" if len(patients) > 1 else f", the newest {told}"
    first = newest if told < number else ""
    of_time = _of_time(time)
    if films.unlabelled:
        by = _FOUND_BY[films.films[0].found_by]
        none = f"No {called} {of} stored here{of_time} is labelled with {asked.label}"
        text = f"{none}; {number} found by {by}{first}:"
    elif films.doubted:
        text = f"{_for_certain(films, asked, f' {of} stored here{of_time}')}{first}:"
    elif films.uncertain:
        none = f"No image {of} stored here{of_time} is known to be {called}"
        text = f"{none}; of these it is not known{first}:"
    elif time.order is not None and not asked.earlier and all(film.description.date for film in films.films):
        which = "oldest" if time.order == "first" else "newest"
        text = f"The {which} {called} {of} stored here{of_time}{_labelled(asked, films)}:"
    else:
        counted = many(number, f"earlier {called}" if asked.earlier else called, complete=films.all_read)
        text = f"{counted} {of} stored here{of_time}{_labelled(asked, films)}{first}:"
    return Statement(_not_understood(asked) + _of_each(films, asked, patients) + text, ())


def lead_over_everyone(films: StoredFilms, asked: AskedFilms, time: AskedTime, shown: int) -> Statement:
    """The same over films of whoever it is, of which the newest `shown` are shown with whose they are."""
    called, number = asked.called, len(films.films)
    if films.unlabelled:
        by = _FOUND_BY[films.films[0].found_by]
        text = (
            f"No {called} stored here{_of_time(time)} is labelled with {asked.label}; {number} found by {by}"
        )
    elif films.doubted:
        text = _for_certain(films, asked, f" stored here{_of_time(time)}")
    elif films.uncertain:
        text = f"No image stored here{_of_time(time)} is known to be {called}; of {number} it is not known"
    else:
        labelled = _labelled(asked, films) if asked.without else ""
        text = f"{many(number, called, complete=films.all_read)} stored here{labelled}"
    first = f", the newest {shown} shown" if number > shown else ""
    return Statement(f"{text}{first}; whose each is stands with it.", ())


def _for_certain(films: StoredFilms, asked: AskedFilms, of: str) -> str:
    """How many films are labelled so, then of how many their labels leave it in doubt and reports have the words."""
    sure, others = films.films[: -films.doubted], films.films[-films.doubted :]
    reported = sum(film.found_by == "report" for film in others)
    left = len(others) - reported
    told = [
        f"{many(left, asked.called)} whose labels leave it in doubt" if left else "",
        f"{many(reported, asked.called)} by what the reports say" if reported else "",
    ]
    counted = many(len(sure), asked.called, complete=films.all_read) if sure else f"No {asked.called}"
    verb = "" if sure else " is"
    labelled = f"{counted}{of}{verb} labelled with {asked.label}{'' if sure else ' for certain'}"
    return "; ".join(filter(None, (labelled, *told)))


def _of_each(films: StoredFilms, asked: AskedFilms, patients: Sequence[str]) -> str:
    """How many films are of each of several patients, where that is asked for or one has none."""
    counts = dict.fromkeys(patients, 0)
    for film in films.films[: len(films.films) - films.doubted]:
        counts[film.description.patient_id] += 1
    if len(patients) < 2 or not (asked.compared or 0 in counts.values()):
        return ""
    more = "" if films.all_read else " or more"
    told = (f"{number}{more if number else ''} of patient {each}" for each, number in counts.items())
    return f"{', '.join(told)}. "


def _labelled(asked: AskedFilms, films: StoredFilms) -> str:
    """With what label the films are, where all of them are."""
    every = asked.label and all(asked.is_labelled(film.description) for film in films.films)
    said = [f"with {asked.label}"] if every else []
    if asked.without:
        said.append(f'"no {" or ".join(asked.without)}"')
    return f", labelled {' and '.join(said)}" if said else ""


def _not_understood(asked: AskedFilms) -> str:
    """Words of a question for films that were not looked for, said before films are told."""
    words = asked.rest if asked.themselves or asked.shown else ""
    return f'Not understood, and not looked for: "{words}". ' if words else ""


def condition_unclear(asked: AskedFilms) -> str:
    """That a condition was not understood, and so nothing is told under it."""
    return (
        f'"{asked.unclear}" was not understood, and no film is listed under it. Films can be asked for by a label, '
        '"with effusion", and by one that says that it is absent, "without effusion".'
    )


def nothing_stored(asked: AskedFilms, films: StoredFilms, time: AskedTime, *, patients: int) -> str:
    """That there is no such film, and no more: what lies out of sight is not there."""
    of = f" {_of(patients)}" if patients else ""
    called = f"earlier {asked.called}" if asked.earlier else asked.called
    among = "" if films.all_read else f"Of those that were looked at, the newest {FILMS_READ_MAX}: "
    if asked.without or films.unlabelled or (asked.label and asked.narrowed and time.order):
        with_label = f" is labelled{_labelled(asked, StoredFilms()).removeprefix(', labelled')}"
        return f"{among}No {called}{of} stored here{_of_time(time)}{with_label}."
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
    """The films that an answer tells of, as passages: of several patients as many of each as there is room for."""
    return tuple(image_hit(film.description, film.similarity or 0.0) for film in _told(films.films))


def _told(films: Sequence[StoredFilm]) -> list[StoredFilm]:
    place: dict[str, int] = {}
    turns: list[int] = []
    for film in films:
        whose = film.description.patient_id
        turns.append(place.get(whose, 0))
        place[whose] = turns[-1] + 1
    first = sorted(range(len(films)), key=lambda each: (turns[each], each))[:FILMS_TOLD_MAX]
    return [films[each] for each in sorted(first)]


def numbered(found: Sequence[FoundImage], citations: Sequence[Citation]) -> tuple[FoundImage, ...]:
    """The images with the numbers of their citations."""
    numbers = {each.resource_id: each.number for each in citations if each.region is not None}
    return tuple(replace(each, number=numbers.get(each.image_id, 0)) for each in found)
