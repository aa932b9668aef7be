"""Asking: the page with the question and the conversation, and where a question is handed in.

Decides what of an earlier question can be asked again: the last one, with its filters, of the patient whom it may have
meant. Without JavaScript the same form leads to the whole answer. Knows nothing of how an answer is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from pydantic import ValidationError
from sse_starlette import EventSourceResponse
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.answering.question_length import refuse_longer
from pipeline.answering.questions.patient_meant import patient_meant
from pipeline.errors import ChartwellError
from pipeline.records import AccessScope, Question
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.api.images import read_asked_image
from pipeline.service.api.notes import range_in, read_note
from pipeline.service.api.patients import find_patients
from pipeline.service.audit.receipts import filters_from
from pipeline.service.conversations.store import ConversationMessage
from pipeline.service.dependencies import CallerHere, PrincipalHere, Services, ServicesDep, requires
from pipeline.service.errors import NotKnown, NotReady
from pipeline.service.pages.answer_fragments import AnswerFragments
from pipeline.service.pages.dependencies import Line, Lines, RendererHere, ThingId
from pipeline.service.pages.errors import ProblemView, is_part
from pipeline.service.pages.film_views import OpenFilmView, film_address
from pipeline.service.pages.films import (
    FRAME_MAX,
    film_bytes_max,
    films_shown,
    open_film,
    standard_base64,
)
from pipeline.service.pages.register import chosen_patient, names_of, patient_view
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.view_models import (
    ChoiceView,
    Exchange,
    FilterValues,
    NoteView,
    PatientView,
    choices_in,
    exchanges_of,
    note_address,
)
from pipeline.service.problems import wrong_fields
from pipeline.service.questions.follow_up import in_context
from pipeline.service.questions.streaming import PING_SECONDS, while_connected
from pipeline.service.schemas.ask import AskRequest, FilterFields, NoticeOut
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text
from pipeline.service.schemas.images import GivenImage

router = APIRouter(include_in_schema=False)

RECENT = 5
CHOICES_MAX = 200
"""Types and domains that a list offers; beyond that a list is no help."""
SUGGESTIONS_MAX = 20


@dataclass(frozen=True, slots=True)
class CorpusState:
    """Whether there is anything to ask."""

    corpus_state: str
    """"ready", "empty", "loading" or "failed"."""
    corpus_notes: int = 0
    corpus_code: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters offer: only what stands in notes that the person may see."""

    document_types: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@router.get("/", dependencies=[requires(Action.ASK)])
def start(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    patient: Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)] = "",
) -> HTMLResponse:
    """A new conversation, about one patient where the address names one."""
    recent = (
        services.conversations.latest(principal, limit=RECENT)
        if allowed(principal, Action.READ_OWN_CONVERSATIONS)
        else []
    )
    chosen = chosen_patient(services, principal, patient) if patient and services.corpus.ready else None
    filters = FilterValues(patient_id=patient)
    return _page(
        request,
        services,
        principal,
        renderer,
        recent=recent,
        patient=chosen,
        chosen=chosen is not None,
        filters=filters,
    )


@router.get("/conversations/{conversation_id}", dependencies=[requires(Action.READ_OWN_CONVERSATIONS)])
def conversation(
    conversation_id: ThingId,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    note: Annotated[str, Query(max_length=512)] = "",
    span: Annotated[str, Query(pattern=r"^(\d{1,9}-\d{1,9})?$")] = "",
    film: Annotated[str, Query(max_length=ID_CHARACTERS_MAX)] = "",
    frame: Annotated[int, Query(ge=0, le=FRAME_MAX)] = 0,
) -> HTMLResponse:
    """A conversation, with a note or a film open next to it where the address names one."""
    found = services.conversations.get(principal, conversation_id, principal.scope)
    patients = services.conversations.patients(principal, conversation_id)
    start_, _, end = span.partition("-")
    spans = [(int(start_), int(end))] if span else []
    beside: NoteView | OpenFilmView | None = None
    problem: ProblemView | None = None
    if note or film:
        try:
            _refuse_withheld(found.messages, film or note)
            beside = (
                open_film(services, principal, film, frame)
                if film
                else _note_beside(services, principal, note, spans)
            )
        except ChartwellError as error:  # it has gone, or has no such range; the conversation is there
            problem = ProblemView.of(error, request.scope["state"]["request_id"])
    return _page(
        request,
        services,
        principal,
        renderer,
        conversation=found.summary,
        going_on_with=patients[0] if len(patients) == 1 else "",
        patient=patient_view(services, principal.scope, patients[0]) if len(patients) == 1 else None,
        turns=_turns(services, principal, conversation_id, found.messages),
        beside=beside,
        beside_problem=problem,
        opened=film_address(film, frame) if film else note_address(note, spans),
    )


def _refuse_withheld(messages: Sequence[ConversationMessage], cited: str) -> None:
    """What only an answer cites that is not shown any more may be another patient's by now, or have changed."""
    told = {
        citation["resource_id"]
        for said in messages
        for statement in (said.content or {}).get("statements", ())
        for citation in statement["citations"]
    }
    if cited not in told and any(said.withheld for said in messages):
        raise NotKnown("The answer that cites it is no longer shown.", remedy="Ask the question again.")


def _note_beside(
    services: Services, principal: Principal, note: str, spans: Sequence[tuple[int, int]]
) -> NoteView:
    document = read_note(services, principal, note)
    for start, end in spans:
        range_in(f"{start}-{end}", len(document.text_content))
    return NoteView.of(document, spans)


def _turns(
    services: Services,
    principal: Principal,
    conversation_id: str,
    messages: Sequence[ConversationMessage],
) -> list[Exchange]:
    """Questions with their answers. The last one can be asked again: with its filters, which its receipt has, and of
    the patient whom it may have meant."""
    turns = exchanges_of(conversation_id, messages)
    named = {turn.id: turn.answer.patients for turn in turns if turn.answer and turn.answer.names_patients}
    names = names_of(services, principal.scope, {each for patients in named.values() for each in patients})
    turns = [replace(turn, names=names) if turn.id in named else turn for turn in turns]
    turns = [
        replace(turn, films=films_shown(services, principal.scope, turn.answer.images, turn.answer.patients))
        if turn.answer and turn.answer.images
        else turn
        for turn in turns
    ]
    if turns and (answer := turns[-1].answer) is not None and answer.receipt_id:
        try:
            kept = services.receipts.own(principal, answer.receipt_id).record
        except NotKnown:  # it outlived its receipt
            return turns
        if kept.get("image"):  # it was kept nowhere, so the same cannot be asked again
            return turns
        filters = filters_from(kept["filters"], principal.scope)
        asked = Question(turns[-1].question, filters, without=tuple(kept.get("plan", {}).get("without", ())))
        choices = _choices(services, asked) if answer.reason in ("which_patient", "name_not_found") else ()
        turns[-1] = replace(
            turns[-1],
            again=FilterValues.of(asked),
            answer=replace(answer, choices=choices),
        )
    return turns


def _choices(services: Services, asked: Question) -> tuple[ChoiceView, ...]:
    """Whom a question may have meant, as notes say now."""
    if not services.corpus.ready:
        return ()
    with services.corpus.answering() as answering:
        notice = patient_meant(asked, answering.store).notice
    return choices_in(NoticeOut.all([notice])) if notice is not None else ()


def _page(
    request: Request, services: Services, principal: Principal, renderer: Renderer, **values: Any
) -> HTMLResponse:
    corpus, choices = _corpus(services, principal.scope)
    shown: dict[str, Any] = {
        "conversation": None,
        "turns": [],
        "recent": [],
        "question": "",
        "filters": FilterValues(),
        "going_on_with": "",
        "patient": None,
        "chosen": False,
        "opened": None,
        "beside": None,
        "beside_problem": None,
        "choices": choices,
        "corpus_state": corpus.corpus_state,
        "corpus_notes": corpus.corpus_notes,
        "corpus_code": corpus.corpus_code,
        "may_jobs": allowed(principal, Action.START_JOBS),
        "film_bytes_max": film_bytes_max(services),
        "question_characters_max": services.settings.service.question_characters_max,
    }
    return renderer.page(request, "ask.html", here="ask", **{**shown, **values})


def _corpus(services: Services, scope: AccessScope) -> tuple[CorpusState, Choices]:
    try:
        with services.corpus.answering() as answering:
            store = answering.store
            notes = store.counts(scope).documents
            choices = Choices(
                tuple(store.values("document_type", scope, limit=CHOICES_MAX)),
                tuple(store.values("domain", scope, limit=CHOICES_MAX)),
            )
    except NotReady as error:
        failure = services.corpus.failure
        return CorpusState("failed" if failure else "loading", corpus_code=(failure or error).code), Choices()
    except ChartwellError as error:
        return CorpusState("failed", corpus_code=error.code), Choices()
    return CorpusState("ready" if notes else "empty", notes), choices


@router.get("/suggest/patients", dependencies=[requires(Action.SEARCH)])
def suggest_patients(
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    patient_id: Annotated[str, Query(max_length=512)] = "",
) -> HTMLResponse:
    """Patients whose id or name begins like that, of those the person may see."""
    page = find_patients(services, principal, patient_id, limit=SUGGESTIONS_MAX)
    found = {each.patient_id: PatientView.of(each).called for each in page.patients}
    if not page.complete:  # tables of an earlier release have ids and no names
        with services.corpus.answering() as answering:
            ids = answering.store.values(
                "patient_id", principal.scope, beginning=patient_id.strip(), limit=SUGGESTIONS_MAX
            )
        found = {each: f"patient {each}" for each in ids} | found
    return renderer.fragment("suggestions.html", found=found)


@router.post("/ask", dependencies=[requires(Action.ASK)])
async def ask(
    request: Request,
    services: ServicesDep,
    caller: CallerHere,
    renderer: RendererHere,
    question: Annotated[Text, Form(max_length=100_000)] = "",
    conversation_id: Line = "",
    patient_id: Line = "",
    document_type: Line = "",
    domain: Line = "",
    since: Line = "",
    until: Line = "",
    any_patient: Line = "",
    without: Lines | None = None,
    again: Line = "",
    image: Annotated[str, Form()] = "",
    film_id: Line = "",
) -> Response:
    """Ask: the answer as it is made, or, without JavaScript, its conversation once it is whole."""
    removed = tuple(dict.fromkeys(without or ()))
    if f"patient:{patient_id.strip()}" in removed:
        patient_id = ""
    filters = FilterValues(patient_id.strip(), document_type, domain, since, until, without=removed)
    body = _body(question, conversation_id, filters, image, "" if image else film_id)
    refuse_longer(body.question, services.settings.service.question_characters_max)
    principal = caller.principal
    asked = body.asked(principal.scope, services.settings.answering.top_k)
    if body.image is not None:
        film = await read_asked_image(request, services, principal, body.image.content_base64)
        asked = replace(asked, image=film)
    context = await in_context(
        services, principal, asked, body.conversation_id, any_patient=any_patient == "yes"
    )
    answer = await services.queue.ask(
        principal, context.question, body.conversation_id, kept_patient=context.kept_patient
    )
    filters = replace(filters, kept_patient=context.kept_patient or "")
    if is_part(request):
        chosen = bool(filters.patient_id) and not again
        words = AnswerFragments(services, renderer, caller, filters, chosen=chosen)
        return EventSourceResponse(
            words.events(answer),
            ping=PING_SECONDS,
            send_timeout=services.settings.service.send_seconds_max,
            sep="\n",
            headers={"Cache-Control": "no-store"},
        )
    try:
        await while_connected(request, answer.result())
    finally:
        answer.cancel()
    return RedirectResponse(f"/conversations/{answer.turn.conversation_id}", status_code=303)


def _body(question: str, conversation_id: str, filters: FilterValues, image: str, film_id: str) -> AskRequest:
    """`film_id`: of the film that is open next to the answer. Raises BadRequest where a field is not as the interface
    takes it."""
    try:
        return AskRequest(
            question=question,
            image=GivenImage(content_base64=standard_base64(image)) if image else None,
            film_id=film_id or None,
            conversation_id=conversation_id or None,
            without=list(filters.without),
            filters=FilterFields(
                patient_ids=[filters.patient_id] if filters.patient_id else [],
                document_types=[filters.document_type] if filters.document_type else [],
                domains=[filters.domain] if filters.domain else [],
                since=filters.since or None,  # type: ignore[arg-type]  # text of a form; checked there
                until=filters.until or None,  # type: ignore[arg-type]
            ),
        )
    except ValidationError as error:
        raise wrong_fields(error.errors()) from None
