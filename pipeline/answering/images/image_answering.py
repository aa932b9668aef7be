"""Answers questions about stored films, and questions that come with one.

Decides what is said beside the notes' own answer: films of the patient who is meant, each by its description, never
another's; images of others, where no one is meant, are shown with whose they are, and no statement is about them. An
image whose header names another patient than the question is not answered from. A question that asks of no film goes
on as it came. Refuses to know how films are found (`stored_films`, `similar_images`) and what the notes say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.answering.flow import InnerAnswerer
from pipeline.answering.follow_up import names_someone_else
from pipeline.answering.images.deferred_embedder import require_image_embedder
from pipeline.answering.images.film_reports import (
    FilmReport,
    below_reports,
    dated,
    report_statements,
    reports_of,
)
from pipeline.answering.images.film_statements import (
    condition_unclear,
    film_hits,
    film_statement,
    lead_over,
    lead_over_everyone,
    many,
    nothing_stored,
    numbered,
)
from pipeline.answering.images.similar_images import image_vector, patient_of, similar_hits, stored_twin
from pipeline.answering.images.stored_films import (
    StoredFilm,
    StoredFilms,
    by_series,
    images_asked_for,
    images_inside,
    is_in_time,
)
from pipeline.answering.question_length import embed_question
from pipeline.answering.question_patient import patients_by_id
from pipeline.answering.questions.asked.films import AskedFilms, Fits, asked_films, may_ask_of_films
from pipeline.answering.questions.plan import AskedTime
from pipeline.answering.questions.understood_parts import removed_patients, understood_parts
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.shapes.shaped_answering import is_known_whom
from pipeline.answering.stages import Stopwatch
from pipeline.call_context.cancellation import end_early
from pipeline.errors import BadRequest
from pipeline.images import ImageHit
from pipeline.imaging.records import ImageDescription
from pipeline.ports import Embedder, ImageEmbedder, ImageStore, Store
from pipeline.records import (
    Answer,
    AnswerEvent,
    AskedImage,
    Filters,
    Finished,
    FoundImage,
    GeneratorModel,
    Hit,
    Question,
    Retrieved,
    SearchResult,
    Statement,
    UnderstoodPart,
    Usage,
    Verified,
)

MODEL = GeneratorModel(provider="extractive", model="image-descriptions", thinks="never")
NO_IMAGES = "no_images"
NOT_ITS_REPORT = "No report is known to be of the image that you asked with."
OTHER_NOTES = "Other notes of the patient:"
NO_NOTE_READ = "No note was read: it is not known whose are meant. Name one patient in the question."
NO_SUCH_PATIENT = "No patient {} is known here, and no film is shown."
_LIKE_AN_ID = re.compile(r"(?=\w*\d)(?=\w*[^\W\d])\w{2,}")
_BESIDE_ANOTHER = re.compile(
    r"\b(?P<said>her|his|their|hers|she|he)\b[^?.!]*?\b(?:and|with|to|than|or|versus|vs)\b", re.IGNORECASE
)
_NOT_FOUND = frozenset(["below_floor", "not_stated", "generator_abstained", "filters_match_nothing"])
"""Why the notes have nothing, where it is known whose they are."""
IMAGES_SHOWN_MAX = 24
REPORT_PASSAGES_MAX = 6
PASSAGES_READ = 200
"""Of one patient, in which those of reports are looked for."""


@dataclass(frozen=True, slots=True)
class FilmAnswer:
    """What films add to an answer."""

    lead: Statement | None = None
    """Over the films that are told."""
    told: tuple[Hit, ...] = ()
    """Each a statement of its own, where none of the notes' answer cites it."""
    shown: tuple[FoundImage, ...] = ()
    nothing: str = ""
    """What is said where there is neither a film nor anything in the notes."""
    asks_notes: bool = True
    """Whether that the notes have nothing is worth a word beside films."""


@dataclass(frozen=True)
class ImageAnswering:
    """Implements ports.Answerer, and flow.InnerAnswerer."""

    inside: InnerAnswerer
    store: Store
    embedder: Embedder
    images: ImageStore
    image_embedder: ImageEmbedder | None
    reads_passages: bool = False
    """Whether a language model reads passages, so that those of films stand among them."""

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(question)

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        if not may_ask_of_films(question):
            yield from self.inside.stream(question, understood, watch)
            return
        watch = watch or Stopwatch()
        understood = understood or UnderstoodQuestion.of(question, self.store)
        if question.image is not None:
            yield from self._with_image(question.image, understood, watch)
        elif not is_known_whom(understood.meant) or self.images.space() is None:
            yield from self.inside.stream(question, understood, watch)
        else:
            yield from self._about_films(understood, watch)

    # --- questions about films

    def _about_films(
        self, understood: UnderstoodQuestion, watch: Stopwatch, read: ImageDescription | None = None
    ) -> Iterator[AnswerEvent]:
        """`read`: the film of which alone it is asked what it shows."""
        asked = asked_films(understood.plan)
        film = read or self._film_meant(understood, asked)
        if film is not None and asked.of_the_asked:
            asked = replace(
                asked, reading=True, themselves=False, shown=False, unclear="", beside_notes=False
            )
        if film is not None and not understood.meant.question.filters.patient_ids:
            self._require_no_one_else(understood.meant.question, film.patient_id)
            understood = self._limited(understood, film.patient_id)
        question, time = understood.meant.question, understood.plan.time
        unknown = "" if question.filters.patient_ids else _unknown_id(understood, asked)
        if asked.unclear and asked.narrowed:
            yield from self._alone(question, FilmAnswer(nothing=condition_unclear(asked)), watch)
            return
        if unknown:
            yield from self._alone(question, FilmAnswer(nothing=NO_SUCH_PATIENT.format(unknown)), watch)
            return
        with watch.stage("search"):
            films = self._films(asked, time, question.filters, film)
        only_notes = film is None and _is_of_an_unknown_film(asked, films)  # which tell of a "CT" as well
        if only_notes or _may_mean_someone(understood, asked):
            yield from self.inside.stream(understood.question, understood, watch)
            return
        if film is not None and not asked.earlier and asked.like_the_asked:
            found = self._like(film, asked, question.filters, watch)
        else:
            found = self._found(films, asked, time, question)
            found = found if film is None else _of_the_meant(film, films, asked, found)
        found = _saying_first(_left_out(understood), found)
        is_meant = film is not None and not asked.earlier
        yield from self._tell(understood, asked, films, found, watch, is_meant=is_meant)

    def _films(
        self, asked: AskedFilms, time: AskedTime, filters: Filters, film: ImageDescription | None
    ) -> StoredFilms:
        """The films that are asked for, `film` alone where it is meant."""
        if film is not None and not asked.earlier:
            return StoredFilms((StoredFilm(film),))
        if film is not None:
            return images_asked_for(asked, time, filters, self.images, self.store, self.image_embedder, film)
        return self._asked_for(asked, time, filters)

    def _found(
        self, films: StoredFilms, asked: AskedFilms, time: AskedTime, question: Question
    ) -> FilmAnswer:
        patients = question.filters.patient_ids
        if not patients:
            return _of_no_one(films, asked, time)
        if films.films and (asked.themselves or asked.shown or not films.uncertain):
            told = film_hits(films)
            return FilmAnswer(
                lead_over(films, asked, time, len(told), patients=patients), told, _shown(films)
            )
        if self._is_no_one(question):
            return FilmAnswer(nothing=NO_SUCH_PATIENT.format(patients[0]))
        return FilmAnswer(nothing=nothing_stored(asked, films, time, patients=len(patients)))

    def _tell(
        self,
        understood: UnderstoodQuestion,
        asked: AskedFilms,
        films: StoredFilms,
        found: FilmAnswer,
        watch: Stopwatch,
        *,
        is_meant: bool,
    ) -> Iterator[AnswerEvent]:
        """The films alone, below what their reports say, or beside what the notes say. `is_meant`: one film is pointed
        at; what notes say may be of others."""
        question = understood.meant.question
        if asked.themselves or (asked.shown and found.shown):
            yield from self._alone(question, found, watch)
        elif asked.reading and found.told and len(question.filters.patient_ids) == 1:
            chosen = is_meant or _is_chosen(understood.plan.time)
            yield from self._as_reported(understood, asked, films, found, watch, chosen=chosen)
        elif is_meant:
            yield from self._alone(question, found, watch)
        elif found.shown and not question.filters.patient_ids and asked.reading and _in_time(asked):
            yield from self._of_whom(understood, asked, found, watch)
        elif found.shown and (question.filters.patient_ids or asked.plainly or asked.shown):
            yield from self._beside(understood, replace(found, asks_notes=asked.asks_notes), watch)
        elif question.filters.patient_ids:
            yield from self._without_films(understood, found.nothing, watch, plainly=asked.plainly)
        else:
            yield from self.inside.stream(understood.question, understood, watch)

    def _film_meant(self, understood: UnderstoodQuestion, asked: AskedFilms) -> ImageDescription | None:
        """The stored film that is pointed at, or than which earlier ones are asked for, where the asker may see it and
        no one else is asked about."""
        question = understood.meant.question
        if not (question.film_id and (asked.pointed or asked.earlier)):
            return None
        film = self.images.image(question.film_id, question.filters.scope)
        patients = question.filters.patient_ids
        if patients or understood.plan.patients.whom in ("open", "pronoun"):
            return film if film is not None and (not patients or patients == (film.patient_id,)) else None
        return None

    def _like(
        self, film: ImageDescription, asked: AskedFilms, filters: Filters, watch: Stopwatch
    ) -> FilmAnswer:
        """Films of the patient that look like a stored one."""
        with watch.stage("search"):
            vectors = self.images.vectors([film.image_id])  # none where it was removed meanwhile
            hits = [
                hit
                for vector in vectors.values()
                for hit in similar_hits(
                    vector, self.images, images_inside(filters), limit=IMAGES_SHOWN_MAX, without=film.image_id
                )
            ]
        films = tuple(
            StoredFilm(hit.description, "image", hit.similarity)
            for hit in _one_of_each_series(hits)
            if asked.fits(hit.description) is not Fits.NO
        )
        return _that_look_like_it(films, films, "", filters.patient_ids, limited=True)

    def _limited(self, understood: UnderstoodQuestion, patient: str) -> UnderstoodQuestion:
        filters = understood.meant.question.filters
        limited = replace(understood.question, filters=replace(filters, patient_ids=(patient,)))
        return UnderstoodQuestion.of(limited, self.store)

    def _is_no_one(self, question: Question) -> bool:
        """Whether neither a note nor an image that the asker may see is of the patient whose id limits it."""
        ids, anyone = (
            question.filters.patient_ids,
            replace(question, filters=Filters(scope=question.filters.scope)),
        )
        if len(ids) > 1 or self.images.images(images_inside(question.filters), limit=1):
            return False
        return not patients_by_id(anyone, self.store, ids)

    def _without_films(
        self, understood: UnderstoodQuestion, nothing: str, watch: Stopwatch, *, plainly: bool
    ) -> Iterator[AnswerEvent]:
        """What the notes say; that there is no film, where films were asked for plainly, or the notes have nothing
        either."""
        events = self.inside.stream(understood.question, understood, watch)
        try:
            for event in events:
                if not isinstance(event, Finished):
                    yield event
                    continue
                answer = _saying_there_is_none(event.answer, nothing, plainly=plainly)
                for statement in answer.statements[len(event.answer.statements) :]:
                    yield Verified(statement)
                yield Finished(answer)
        finally:
            end_early(events)

    def _asked_for(self, asked: AskedFilms, time: AskedTime, filters: Filters) -> StoredFilms:
        """The films that are asked for. Of a time whose films have not the label, all: a report may say it."""
        found = images_asked_for(asked, time, filters, self.images, self.store, self.image_embedder)
        read = asked.reading and _is_chosen(time) and len(filters.patient_ids) == 1
        if found.films or not asked.label or not read:
            return found
        every = images_asked_for(replace(asked, label=""), time, filters, self.images, self.store)
        return every if every.films else found

    # --- what films show, by their reports

    def _as_reported(
        self,
        understood: UnderstoodQuestion,
        asked: AskedFilms,
        films: StoredFilms,
        found: FilmAnswer,
        watch: Stopwatch,
        *,
        chosen: bool,
    ) -> Iterator[AnswerEvent]:
        """What the reports of the films say, then what other notes do, dated, then the films. Other notes are not asked
        where the reports of all films that are asked for answer."""
        question, label = understood.meant.question, asked.label
        described = [film.description for film in films.films]
        with watch.stage("search"):
            reports = reports_of(
                described, self.store, question.filters, lambda: embed_question(question.text, self.embedder)
            )
        passages = (*found.told, *(hit for report in reports for hit in report.passages))
        in_time = _in_time(asked)
        if self.reads_passages and not chosen:
            yield from self._beside(replace(understood, evidence=passages), found, watch)
            return
        words = label or " and ".join(asked.rest.split())
        said = [*self._said_in(reports, words, question)]
        if not (said or label):
            said = [*self._said_in(reports, "", question)]
        if not (said or reports or chosen or in_time):
            yield from self._beside(understood, found, watch)
            return
        retrieved, parts = Retrieved(passages, images=found.shown), tuple[UnderstoodPart, ...]()
        answer = self._answer(question, found, (), watch)
        if said and not in_time and (chosen or len(reports) == len(described)):
            yield retrieved
        else:
            if in_time:
                understood, parts = self._asked_as(f"How has the {label} changed over time?", understood)
            if self.reads_passages:
                understood = replace(understood, evidence=passages)
            for event in self._unspoken(understood, replace(retrieved, understood=parts), watch):
                if isinstance(event, Finished):
                    answer = event.answer
                else:
                    yield event
            said += below_reports(answer, said, reports, described if chosen else (), in_time=in_time)
        said += self._statements(found, found.told, _last_number(said), question)
        for statement in said:
            yield Verified(statement)
        shown = self._still_so(found.shown, question.filters)
        bare = replace(answer, statements=(), citations=(), outcome="answered" if said else answer.outcome)
        whole = _joined(bare, said, replace(found, shown=shown), watch)
        passages = _with(passages, answer.passages)
        yield Finished(replace(whole, question=question.text, passages=passages, understood=parts))

    def _said_in(self, reports: Sequence[FilmReport], label: str, question: Question) -> Iterator[Statement]:
        last = 0
        for report in reports:
            statements = report_statements(report, label, self.store, question.filters.scope, last)
            last += len(statements)
            yield from statements

    def _of_whom(
        self, understood: UnderstoodQuestion, asked: AskedFilms, found: FilmAnswer, watch: Stopwatch
    ) -> Iterator[AnswerEvent]:
        """What notes say of a finding, where no patient is named: of each with whose it is."""
        text = understood.meant.question.text
        understood, parts = self._asked_as(f"Which patients have {asked.label}?", understood)
        for event in self._beside(understood, found, watch):
            match event:
                case Retrieved():
                    yield replace(event, understood=parts)
                case Finished(answer):
                    yield Finished(replace(answer, question=text, understood=parts))
                case _:
                    yield event

    def _asked_as(
        self, text: str, understood: UnderstoodQuestion
    ) -> tuple[UnderstoodQuestion, tuple[UnderstoodPart, ...]]:
        """Another question of the same patients, and as what it is understood."""
        question = understood.meant.question
        asked = UnderstoodQuestion.of(replace(question, text=text, carried=(), without=()), self.store)
        patients, scope = question.filters.patient_ids, question.filters.scope
        return asked, understood_parts(asked.plan, patients, scope, self.store, asked.question)

    def _unspoken(
        self, understood: UnderstoodQuestion, retrieved: Retrieved, watch: Stopwatch
    ) -> Iterator[AnswerEvent]:
        """The events of the notes' answer without its statements, which stand in the whole answer."""
        events = self.inside.stream(understood.question, understood, watch)
        try:
            for event in events:
                match event:
                    case Retrieved(passages):
                        yield replace(retrieved, passages=_with(retrieved.passages, passages))
                    case Verified():
                        continue
                    case _:
                        yield event
        finally:
            end_early(events)

    # --- questions with an image

    def _with_image(
        self, image: AskedImage, understood: UnderstoodQuestion, watch: Stopwatch
    ) -> Iterator[AnswerEvent]:
        question = understood.meant.question
        if not is_known_whom(understood.meant):
            yield from self.inside.stream(understood.question, understood, watch)
            return
        embedder = require_image_embedder(self.image_embedder)
        twin = stored_twin(image, self.images, question.filters.scope)
        whose = patient_of(image, twin)
        _require_same(question.filters.patient_ids, whose)
        whose = "" if whose in removed_patients(understood.question.without) else whose
        found, own = self._similar(image, embedder, twin, whose, understood, watch)
        asked, patients = asked_films(understood.plan), question.filters.patient_ids
        if whose and not patients and understood.plan.patients.whom != "everyone":
            patients = (whose,)
        images_alone = not question.text.strip() or asked.like_the_asked or asked.themselves
        if not (question.filters.patient_ids or images_alone) and patients:
            self._require_no_one_else(question, patients[0])
        if not (images_alone or patients):
            found = _saying_first(NO_NOTE_READ, found)
        if images_alone or not patients:
            yield from self._alone(question, found, watch)
            return
        reads_it = asked.of_the_asked and len(patients) == 1
        if reads_it and twin is not None and whose:
            filters = replace(understood.question.filters, patient_ids=patients)
            meant = replace(understood.question, image=None, filters=filters)
            read = UnderstoodQuestion.of(meant, self.store)
            parts = understood_parts(read.plan, patients, filters.scope, self.store, meant)
            for event in self._about_films(read, watch, twin):
                match event:
                    case Retrieved():
                        yield replace(event, understood=parts)
                    case Finished(answer):
                        yield Finished(replace(answer, understood=parts))
                    case _:
                        yield event
            return
        events = self._with_notes(understood, patients, own, found, watch)
        yield from _as_of_others(events) if reads_it else events

    def _require_no_one_else(self, question: Question, whose: str) -> None:
        """Raises BadRequest where the question seems to name someone other than the image's patient."""
        if names_someone_else(question, whose, self.store, self.embedder):
            raise BadRequest(
                "The question seems to name someone other than the patient of the image.",
                remedy="Give the full name or the id of the patient who is meant, or ask without a name.",
            )

    def _with_notes(
        self,
        understood: UnderstoodQuestion,
        patients: tuple[str, ...],
        own: Sequence[StoredFilm],
        found: FilmAnswer,
        watch: Stopwatch,
    ) -> Iterator[AnswerEvent]:
        """What the notes of these patients say, and their films. Whom the image alone names is told as understood."""
        filters, parts = understood.meant.question.filters, tuple[UnderstoodPart, ...]()
        if not filters.patient_ids:
            limited = replace(understood.question, filters=replace(filters, patient_ids=patients))
            understood = UnderstoodQuestion.of(limited, self.store)
            parts = understood_parts(understood.plan, patients, filters.scope, self.store, limited)
        if self.reads_passages:
            understood = replace(understood, evidence=self._reports(own, understood, found.told))
        beside = (
            self._beside(understood, found, watch)
            if found.shown
            else self._without_films(understood, found.nothing, watch, plainly=True)
        )
        for event in beside:
            match event:
                case Retrieved():
                    yield replace(event, understood=parts)
                case Finished(answer):
                    yield Finished(replace(answer, understood=parts))
                case _:
                    yield event

    def _similar(
        self,
        image: AskedImage,
        embedder: ImageEmbedder,
        twin: ImageDescription | None,
        whose: str,
        understood: UnderstoodQuestion,
        watch: Stopwatch,
    ) -> tuple[FilmAnswer, tuple[StoredFilm, ...]]:
        """Films that look like it: those of the patient to be told, others to be shown."""
        if self.images.space() is None:
            return FilmAnswer(nothing="No image is stored here."), ()
        with watch.stage("embed"):
            vector = image_vector(image, embedder, self.images)
        asked, filters = asked_films(understood.plan), understood.meant.question.filters
        with watch.stage("search"):
            hits = similar_hits(
                vector,
                self.images,
                images_inside(filters),
                limit=IMAGES_SHOWN_MAX,
                patient_id=whose,
                without=twin.image_id if twin and (asked.like_the_asked or asked.earlier) else "",
            )
        reference = image.date or (twin.date if twin else None)
        before = reference if asked.earlier else None
        films = tuple(
            StoredFilm(hit.description, "image", hit.similarity)
            for hit in _one_of_each_series(hits)
            if asked.fits(hit.description) is not Fits.NO
            and is_in_time(hit.description, understood.plan.time)
            and (before is None or (hit.description.date or before)[:10] < before[:10])
        )
        patients = filters.patient_ids or ((whose,) if whose else ())
        own = tuple(film for film in films if film.description.patient_id in patients)
        said = "" if filters.patient_ids else _whose_it_is(image, whose)
        if asked.earlier and not reference:
            said += "The image has no date: which films are earlier is not known. "
        return _that_look_like_it(films, own, said, patients, limited=bool(filters.patient_ids)), own

    def _reports(
        self, films: Sequence[StoredFilm], understood: UnderstoodQuestion, told: Sequence[Hit]
    ) -> tuple[Hit, ...]:
        """Films and the passages of their reports, those that fit the question best first."""
        ids = {film.description.report_id for film in films} - {None}
        text, filters = understood.question.text, understood.meant.question.filters
        if not ids:
            return tuple(told)
        vector = embed_question(text, self.embedder)
        matches = self.store.search_vector(vector, PASSAGES_READ, filters)
        hits = self.store.hits([match.chunk_id for match in matches], vector)
        of_reports = [
            hit
            for hit in hits
            if hit.resource_id in ids
            and hit.patient_id in filters.patient_ids
            and filters.scope.admits(hit.domain, hit.patient_id)
        ]
        return (*told, *of_reports[:REPORT_PASSAGES_MAX])

    # --- answers

    def _alone(self, question: Question, found: FilmAnswer, watch: Stopwatch) -> Iterator[AnswerEvent]:
        """An answer of films and nothing else."""
        yield Retrieved(found.told, images=found.shown)
        with watch.stage("verify"):
            statements = self._statements(found, found.told, 0, question)
        for statement in statements:
            yield Verified(statement)
        found = replace(found, shown=self._still_so(found.shown, question.filters))
        yield Finished(self._answer(question, found, statements, watch))

    def _still_so(self, shown: Sequence[FoundImage], filters: Filters) -> tuple[FoundImage, ...]:
        """Those that are still there, of the same patient and day: a model may have taken a while."""
        now = [(each, self.images.image(each.image_id, filters.scope)) for each in shown]
        return tuple(
            each
            for each, held in now
            if held is not None and (held.patient_id, held.date) == (each.patient_id, each.date)
        )

    def _answer(
        self, question: Question, found: FilmAnswer, statements: Sequence[Statement], watch: Stopwatch
    ) -> Answer:
        citations = tuple(citation for statement in statements for citation in statement.citations)
        answered = bool(statements)
        return Answer(
            question=question.text,
            outcome="answered" if answered else "nothing_relevant",
            text="\n".join(statement.text for statement in statements) if answered else found.nothing,
            statements=tuple(statements),
            citations=citations,
            passages=found.told,
            reason=None if answered else NO_IMAGES,
            model=MODEL,
            prompt_version=None,
            space_id=self.embedder.space.id,
            usage=Usage(),
            seconds=watch.total(),
            ending="complete" if answered else "not_asked",
            images=numbered(found.shown, citations),
        )

    def _beside(
        self, understood: UnderstoodQuestion, found: FilmAnswer, watch: Stopwatch
    ) -> Iterator[AnswerEvent]:
        """What the notes say, then the films that it does not cite."""
        if self.reads_passages and not understood.evidence:
            understood = replace(understood, evidence=found.told)
        events = self.inside.stream(understood.question, understood, watch)
        try:
            for event in events:
                match event:
                    case Retrieved(passages):
                        yield replace(event, passages=_with(passages, found.told), images=found.shown)
                    case Finished(answer):
                        added = self._added(answer, found, understood.meant.question)
                        for statement in added:
                            yield Verified(statement)
                        shown = self._still_so(found.shown, understood.meant.question.filters)
                        yield Finished(_joined(answer, added, replace(found, shown=shown), watch))
                    case _:
                        yield event
        finally:
            end_early(events)

    def _added(self, answer: Answer, found: FilmAnswer, question: Question) -> list[Statement]:
        cited = {each.resource_id for each in answer.citations if each.region is not None}
        left = [hit for hit in found.told if hit.resource_id not in cited]
        last = max((each.number for each in answer.citations), default=0)
        return self._statements(found, left, last, question)

    def _statements(
        self, found: FilmAnswer, hits: Sequence[Hit], last: int, question: Question
    ) -> list[Statement]:
        """The lead and what is said of each film; the numbers of their citations follow `last`."""
        said: list[Statement] = []
        several = len(question.filters.patient_ids) > 1
        for hit in hits:
            number = last + len(said) + 1
            statement = film_statement(
                hit, number, self.store, self.images, question.filters.scope, names_patient=several
            )
            said += [statement] if statement is not None else []
        alone = not found.told and found.lead is not None
        return [found.lead, *said] if found.lead is not None and (said or alone) else said


def _in_time(asked: AskedFilms) -> bool:
    """Whether films and notes are asked about a finding, which is one over time."""
    return asked.beside_notes and bool(asked.label)


def _is_chosen(time: AskedTime) -> bool:
    """Whether films of one time are meant: the latest, those of a day or year."""
    return bool(time.order or time.since or time.until or time.either)


def _last_number(said: Sequence[Statement]) -> int:
    return max((each.number for statement in said for each in statement.citations), default=0)


def _one_of_each_series(hits: Sequence[ImageHit]) -> list[ImageHit]:
    """Of each series the slice most alike."""
    kept = {slices[0].image_id for slices in by_series([hit.description for hit in hits])}
    return [hit for hit in hits if hit.description.image_id in kept]


def _saying_there_is_none(answer: Answer, nothing: str, *, plainly: bool) -> Answer:
    if answer.outcome == "nothing_relevant" and answer.reason in _NOT_FOUND and not answer.statements:
        return replace(answer, text=f"{answer.text} {nothing}")
    if plainly and answer.statements:
        statements = (*answer.statements, Statement(nothing, ()))
        return replace(answer, statements=statements, text=f"{answer.text}\n{nothing}")
    return answer


def _saying_first(words: str, found: FilmAnswer) -> FilmAnswer:
    """The films after these words, which are said where there is none too."""
    if not words:
        return found
    lead = Statement(f"{words} {found.lead.text}", ()) if found.lead else None
    return replace(found, lead=lead, nothing=f"{words} {found.nothing}" if found.nothing else "")


def _of_the_meant(
    film: ImageDescription, films: StoredFilms, asked: AskedFilms, found: FilmAnswer
) -> FilmAnswer:
    """What is said over the film that is meant, or over those that are earlier than it."""
    if not asked.earlier:
        return replace(found, lead=Statement("The film that is meant:", ()))
    if not film.date:
        return FilmAnswer(nothing="The film that is meant has no date: which films are earlier is not known.")
    apart = f" {many(films.undated, 'film')} without a date left out." if films.undated else ""
    return _saying_first(f"Earlier than the film of {film.date[:10]}.{apart}", found)


def _left_out(understood: UnderstoodQuestion) -> str:
    """That "her" of "her latest film and the one of P100" is no one whose films are told."""
    text, written = understood.question.text, understood.meant.asked.written
    known = [each for each in written if each.is_id or each.sure]
    said = _BESIDE_ANOTHER.search(text, 0, known[0].start) if known else None
    return f'Whom "{said["said"]}" means is not known, and no film of theirs is told.' if said else ""


def _may_mean_someone(understood: UnderstoodQuestion, asked: AskedFilms) -> bool:
    """Whether the question limits nothing, and someone may be meant all the same."""
    if understood.meant.question.filters.patient_ids:
        return False
    return bool(asked.rest) or understood.plan.patients.whom not in ("open", "everyone")


def _is_of_an_unknown_film(asked: AskedFilms, films: StoredFilms) -> bool:
    """Whether the question points at a film, and nothing tells which. Raises BadRequest where films are all that it
    asks of."""
    if not asked.pointed or (len(films.films) == 1 and not asked.like_the_asked):
        return False
    if asked.plainly or asked.shown:
        raise BadRequest(
            f'Which film is meant? The question says "{asked.pointed}", and nothing tells which film that is.',
            remedy="Open the film, ask with its file, or give its date.",
        )
    return True


def _unknown_id(understood: UnderstoodQuestion, asked: AskedFilms) -> str:
    """The id that films are asked of and that no note has."""
    if understood.plan.patients.whom == "id":
        return next((each.text for each in understood.meant.asked.written if each.is_id), "")
    words = asked.rest.split()
    return words[0] if len(words) == 1 and _LIKE_AN_ID.fullmatch(words[0]) else ""


def _require_same(patients: Sequence[str], whose: str) -> None:
    """Raises BadRequest where the image is another patient's than the one asked about."""
    if patients and whose and whose not in patients:
        raise BadRequest(
            "The question is about one patient, and the image is of another.",
            remedy="Ask with an image of that patient, or without naming one; in a conversation about someone, begin a "
            "new one.",
        )


def _of_no_one(films: StoredFilms, asked: AskedFilms, time: AskedTime) -> FilmAnswer:
    """Films of whoever it is, shown with whose they are."""
    if not films.films:
        return FilmAnswer(nothing=nothing_stored(asked, films, time, patients=0))
    return FilmAnswer(lead_over_everyone(films, asked, time, IMAGES_SHOWN_MAX), (), _shown(films))


def _as_of_others(events: Iterator[AnswerEvent]) -> Iterator[AnswerEvent]:
    """The events of an answer whose notes are not known to be of the image: that is said first, each with its day."""
    waiting: list[Statement] = []
    told = False
    try:
        for event in events:
            if isinstance(event, Verified) and not told:
                waiting.append(event.statement)
                told = bool(event.statement.citations)
                if told:
                    yield from map(Verified, _below_lead(waiting))
            elif isinstance(event, Verified):
                yield Verified(dated(event.statement))
            elif isinstance(event, Finished):
                if not told:
                    yield from map(Verified, _below_lead(waiting))
                statements = _below_lead(event.answer.statements)
                text = "\n".join(each.text for each in statements) or f"{NOT_ITS_REPORT} {event.answer.text}"
                yield Finished(replace(event.answer, statements=statements, text=text))
            else:
                yield event
    finally:
        end_early(events)


def _below_lead(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Statements under the line that none of them is of the image's report; none where there is none."""
    cited = next((each.citations for each in statements if each.citations), ())
    of_notes = bool(cited) and all(each.region is None for each in cited)
    lead = f"{NOT_ITS_REPORT} {OTHER_NOTES}" if of_notes else NOT_ITS_REPORT
    return (Statement(lead, ()), *map(dated, statements)) if statements else ()


def _whose_it_is(image: AskedImage, whose: str) -> str:
    """Why it is taken for a patient's whom the question does not name."""
    if not whose:
        return ""
    return (
        f"By its header the image is of patient {whose}. "
        if image.patient_id
        else f"The same image is stored as patient {whose}'s. "
    )


def _that_look_like_it(
    films: Sequence[StoredFilm],
    own: Sequence[StoredFilm],
    whose: str,
    patients: Sequence[str],
    *,
    limited: bool,
) -> FilmAnswer:
    """Those of the patients are told, the others shown. `whose`: as it is said first. `limited`: whether those of the
    patients alone were looked through."""
    of = "these patients" if len(patients) > 1 else "this patient" if limited else "the patient"
    if not films:
        of_them = f"film of {of}" if limited else "image stored here"
        return FilmAnswer(nothing=f"{whose}No {of_them} looks like it.")
    others = many(len(films) - len(own), "image")
    if own and len(own) < len(films):
        told = f"{_alike(len(own), f'of {of} ')}, the most alike first"
        lead = f"{told}; {others} of others, whose each is stands with it:"
    elif own:
        lead = f"{_alike(len(own), f'of {of} ')}, the most alike first:"
    else:
        none = f"No image of {of} stored here looks like it. " if patients else ""
        lead = f"{none}{_alike(len(films), 'of others ' if patients else '')}; whose each is stands with it."
    hits = film_hits(StoredFilms(tuple(own)))
    return FilmAnswer(Statement(f"{whose}{lead}", ()), hits, _shown(StoredFilms(tuple(films))))


def _alike(number: int, whose: str) -> str:
    return f"{many(number, 'image')} {whose}that look{'s' if number == 1 else ''} like it"


def _shown(films: StoredFilms) -> tuple[FoundImage, ...]:
    return tuple(film.found for film in films.films[:IMAGES_SHOWN_MAX])


def _with(passages: Sequence[Hit], films: Sequence[Hit]) -> tuple[Hit, ...]:
    """The passages, and those of films that are not among them."""
    return tuple({hit.chunk_id: hit for hit in (*passages, *films)}.values())


def _joined(answer: Answer, added: Sequence[Statement], found: FilmAnswer, watch: Stopwatch) -> Answer:
    """The notes' answer with what is said of films. Where the notes have nothing, it says so."""
    statements = [*answer.statements, *added]
    if found.asks_notes and added and answer.outcome != "answered" and not answer.statements:
        statements = [Statement(_NOT_IN_NOTES[answer.outcome], ()), *added]
    citations = (*answer.citations, *(each for said in added for each in said.citations))
    passages = _with(answer.passages, found.told)
    images = numbered(found.shown, citations)
    if not added:
        return replace(answer, passages=passages, images=images)
    return replace(
        answer,
        outcome="answered",
        reason=None,
        text="\n".join(statement.text for statement in statements),
        statements=tuple(statements),
        citations=citations,
        passages=passages,
        images=images,
        ending="complete" if answer.ending in ("abstained", "not_asked") else answer.ending,
        seconds=watch.total(),
    )


_NOT_IN_NOTES = {
    "nothing_relevant": "No relevant information was found in the notes.",
    "no_answer": "What the notes say of it cannot be shown.",
    "answered": "",
}
