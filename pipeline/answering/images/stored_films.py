"""The stored films that a question asks for.

Decides which of a patient's films fit what is asked: by their own codes, dates and labels, by what their report says,
and by words where the image model reads them. What its description leaves open makes a film one that may be meant, and
it is told so. Patient, scope, domain and filtered days go down to the store. Knows no wording of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.answering.note_access import visible_note
from pipeline.answering.questions.asked.films import AskedFilms, Fits
from pipeline.answering.questions.plan import AskedTime
from pipeline.images import IMAGE_TYPE, SERIES_MODALITIES, ImageFilters, date_is_shifted, found_image
from pipeline.imaging.records import ImageDescription
from pipeline.ports import ImageEmbedder, ImageStore, Store
from pipeline.records import AccessScope, Filters, FoundBy, FoundImage
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.sentences import passage_sentences

FILMS_READ_MAX = 400
"""Films that are looked through for a question about no one in particular, the newest."""
FILMS_OF_PATIENTS_MAX = 5_000
"""The same of the patients who are meant: a CT has hundreds of slices."""
PAGE = 500
REPORTS_READ_MAX = 20
FOUND_BY_WORDS_MAX = 8


@dataclass(frozen=True, slots=True)
class StoredFilm:
    """A film that may be asked for, and how it was found."""

    description: ImageDescription
    found_by: FoundBy = "metadata"
    similarity: float | None = None

    @property
    def found(self) -> FoundImage:
        return found_image(self.description, self.found_by, self.similarity)


@dataclass(frozen=True, slots=True)
class StoredFilms:
    """What is stored of the films that are asked for, the newest first."""

    films: tuple[StoredFilm, ...] = ()
    uncertain: bool = False
    """Whether their descriptions leave open that they are of the kind, part or side that is asked for."""
    unlabelled: bool = False
    """Whether there are films of that kind, and none is labelled with what is asked for."""
    doubted: int = 0
    """The last so many of `films` are those whose labels leave in doubt what is asked for, or whose reports tell it."""
    undated: int = 0
    """Films that may be earlier than the one that is meant, or not: they have no date."""
    all_read: bool = True
    """False where more are stored than are looked through."""


NO_FILMS = StoredFilms()


def images_inside(filters: Filters) -> ImageFilters:
    """Filters of notes as they hold for images. A type of notes says nothing of images."""
    return ImageFilters(
        patient_ids=filters.patient_ids,
        domains=filters.domains,
        since=filters.since,
        until=filters.until,
        scope=filters.scope,
    )


def images_asked_for(
    asked: AskedFilms,
    time: AskedTime,
    filters: Filters,
    images: ImageStore,
    notes: Store,
    embedder: ImageEmbedder | None = None,
    before: ImageDescription | None = None,
) -> StoredFilms:
    """The films inside `filters` that are asked for. `embedder`: finds by words where it reads them. `before`: a film
    with a date, than which they are to be earlier."""
    if filters.document_types and IMAGE_TYPE not in filters.document_types:
        return NO_FILMS
    admitted = images_inside(filters)
    most = FILMS_OF_PATIENTS_MAX if filters.patient_ids else FILMS_READ_MAX
    held = _read(images, admitted, most)
    undated, all_read = 0, len(held) < most
    if before is not None:
        undated = sum(not film.date and asked.fits(film) is Fits.YES for film in held)
        held = [film for film in held if film.date and _day(film) < _day(before)]
        asked = replace(asked, earlier=False)  # they are
    chosen, uncertain = _fitting(held, asked, time, filters.patient_ids)
    found = StoredFilms(uncertain=uncertain, undated=undated, all_read=all_read)
    labelled = [film for film in chosen if asked.is_labelled(film)]
    doubted = [] if time.order else one_of_each_series([film for film in chosen if asked.is_doubted(film)])
    if (labelled or doubted) and not time.order:
        sure = one_of_each_series(labelled)
        others = [*map(StoredFilm, doubted)]
        if asked.of_a_side:
            others += _by_report(
                asked.label, [film for film in chosen if film not in sure + doubted], notes, filters.scope
            )
        return replace(found, films=(*map(StoredFilm, sure), *others), doubted=len(others))
    chosen = one_of_each_series(chosen)
    if not asked.label or time.order or not chosen:
        return replace(found, films=tuple(map(StoredFilm, chosen)))
    reported = _by_report(asked.label, chosen, notes, filters.scope)
    others = reported or _by_words(asked, chosen, images, admitted, embedder)
    return replace(found, films=tuple(others), unlabelled=True)


def _fitting(
    held: Sequence[ImageDescription], asked: AskedFilms, time: AskedTime, patients: Sequence[str]
) -> tuple[list[ImageDescription], bool]:
    """The films of kind, part, side and time; where none is known to be, those that may be, and that it is so.
    The newest or oldest are of each of several `patients`."""
    in_time = [film for film in held if is_in_time(film, time) and asked.is_without(film)]
    if asked.label and (asked.without or (asked.narrowed and time.order)):
        in_time = [film for film in in_time if asked.is_labelled(film)]
    fits = [(film, asked.fits(film)) for film in in_time]
    sure = [film for film, how in fits if how is Fits.YES]
    either = sure or [film for film, how in fits if how is Fits.UNKNOWN]
    if len(patients) > 1:
        ordered = [
            _in_order([film for film in either if film.patient_id == each], asked, time) for each in patients
        ]
        kept = {film.image_id for films in ordered for film in films}
        chosen = [film for film in either if film.image_id in kept]
    else:
        chosen = _in_order(either, asked, time)
    return chosen, bool(chosen) and not sure


def is_in_time(film: ImageDescription, time: AskedTime) -> bool:
    """Whether the film is known to be of the days that are asked for. Of a date that was shifted nothing is known but
    the order."""
    if (time.since or time.until or time.either) and date_is_shifted(film):
        return False
    if time.either:
        return film.date is not None and film.date[:10] in time.either
    return time.period.admits(film.date)


def one_of_each_series(films: Sequence[ImageDescription]) -> list[ImageDescription]:
    """Of each series the middle slice, of those that are labelled where any is."""
    labelled = ([film for film in slices if film.findings] or slices for slices in by_series(films))
    return [slices[len(slices) // 2] for slices in labelled]


def by_series(films: Sequence[ImageDescription]) -> list[list[ImageDescription]]:
    """The slices of each series together, in the place of the first; a film by itself. An id of a series counts for one
    patient and one modality: a table may give the same one to others."""
    series: dict[tuple[str, ...], list[ImageDescription]] = {}
    for film in films:
        sliced = film.series_id and film.modality in SERIES_MODALITIES
        key = (film.patient_id, film.modality, film.series_id) if sliced else (film.image_id,)
        series.setdefault(key, []).append(film)
    return list(series.values())


def _read(images: ImageStore, filters: ImageFilters, most: int) -> list[ImageDescription]:
    found: list[ImageDescription] = []
    while len(found) < most:
        page = images.images(filters, skip=len(found), limit=min(PAGE, most - len(found)))
        found += page
        if len(page) < PAGE:
            break
    return found


def _in_order(
    films: Sequence[ImageDescription], asked: AskedFilms, time: AskedTime
) -> list[ImageDescription]:
    """The films of the newest day or the oldest where one is asked for; all but the newest for earlier ones."""
    dated = [film for film in films if film.date]
    if not dated or not (asked.earlier or time.order):
        return list(films)
    newest, oldest = _day(dated[0]), _day(dated[-1])
    if asked.earlier and not asked.like_the_asked:
        return [film for film in dated if _day(film) != newest]
    if time.order is None:
        return list(films)
    wanted = oldest if time.order == "first" else newest
    return [film for film in dated if _day(film) == wanted]


def _day(film: ImageDescription) -> str:
    return (film.date or "")[:10]


def _by_report(
    label: str, films: Sequence[ImageDescription], notes: Store, scope: AccessScope
) -> list[StoredFilm]:
    """Films whose report has all the words in one sentence; what it says of them is the report's to say."""
    asked = AskedWords(label)
    found: list[StoredFilm] = []
    for film in [each for each in films if each.report_id][:REPORTS_READ_MAX]:
        report = visible_note(notes, film.report_id or "", scope)
        if report is not None and report.patient_id == film.patient_id:
            text = report.text_content
            sentences = (text[start:end] for start, end in passage_sentences(text))
            if asked.terms and any(len(asked.held(each)) == len(asked.terms) for each in sentences):
                found.append(StoredFilm(film, "report"))
    return found


def _by_words(
    asked: AskedFilms,
    films: Sequence[ImageDescription],
    images: ImageStore,
    filters: ImageFilters,
    embedder: ImageEmbedder | None,
) -> list[StoredFilm]:
    """Films that the image model finds by the words, where it has a text side."""
    space = images.space()
    if embedder is None or space is None or not embedder.reads_texts or embedder.space.id != space.id:
        return []
    vector = embedder.embed_texts([f"{asked.called} with {asked.label}"])[0]
    chosen = {film.image_id for film in films}
    hits = images.search(vector, FILMS_READ_MAX, replace(filters, modalities=()))
    return [
        StoredFilm(hit.description, "text", hit.similarity)
        for hit in hits
        if hit.description.image_id in chosen and hit.similarity >= space.similarity_floor
    ][:FOUND_BY_WORDS_MAX]
