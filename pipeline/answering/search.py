"""The search: which passages a question is answered from, what its filters did, and why there are none.

Every search goes through here: the flow that answers, the service's search, the evaluation. So what is measured and
what is shown is what answers are made from. Knows ports and stages, no back-end and no generator.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.answering.notices import admits_any, name_not_found, notices_of
from pipeline.answering.question_length import embed_question
from pipeline.answering.question_patient import of_named_patients
from pipeline.answering.questions.patient_meant import PatientMeant
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.reranking import rerank
from pipeline.answering.retrieval import retrieve
from pipeline.answering.section_preference import sections_first
from pipeline.answering.stages import Stopwatch
from pipeline.config import AnsweringSettings
from pipeline.ports import Embedder, Ranker, Store, similarity_scale
from pipeline.records import Filters, Hit, Notice, Question, SearchResult, Vector, WhyNothingFound


def search(
    question: Question,
    *,
    embedder: Embedder,
    store: Store,
    settings: AnsweringSettings,
    ranker: Ranker | None = None,
    watch: Stopwatch | None = None,
    vector: Vector | None = None,
    understood: UnderstoodQuestion | None = None,
) -> SearchResult:
    """The passages that fit `question` best, of those that its scope, its filters and the people it names admit.

    `ranker`: reads more of them than are wanted, and says which fit best. `watch`: the stopwatch of the whole answer,
    where there is one. `vector`: the embedded question, shape (dimension,), where it is known already.
    `understood`: whom the question means and what it asks for, where that is. Raises BadRequest for a question that is
    too long.
    """
    watch = watch or Stopwatch()
    if vector is None:
        with watch.stage("embed"):
            vector = embed_question(question.text, embedder)
    with watch.stage("search"):
        understood = understood or UnderstoodQuestion.of(question, store)
        meant = understood.meant
        asked = meant.question
        if meant.reason is not None:
            return _no_one(meant, embedder, watch)
        hits: Sequence[Hit] = retrieve(
            asked.text,
            vector,
            asked.filters,
            top_k=max(asked.top_k, settings.ranked) if ranker else asked.top_k,
            floor=embedder.space.similarity_floor,
            store=store,
            settings=settings,
            scale=similarity_scale(embedder),
        )
        reason = None if hits else _why_nothing(asked.filters, store)
        notices: tuple[Notice, ...] = ()
        if reason != "no_documents":
            notices = notices_of(asked.filters, store, found=bool(hits))
        topic = asked.text
        if hits and meant.by_name:
            topic = meant.topic
        elif hits:
            topic, hits = of_named_patients(asked, hits, meant.asked.names)
            if not hits:
                reason, notices = "name_not_found", (*notices, name_not_found(asked.text))
        if ranker is None and asked.filters.patient_ids:
            hits = sections_first(hits, understood.plan.kinds)
    if ranker is not None and hits:
        with watch.stage("rank"):
            hits = rerank(asked.text, hits, ranker, top_k=asked.top_k)
    if understood.evidence:
        found = {hit.chunk_id: hit for hit in (*understood.evidence, *hits)}
        hits, reason = tuple(found.values()), None
    return SearchResult(asked, topic, tuple(hits), notices, reason, embedder.space.id, watch.total())


def _no_one(meant: PatientMeant, embedder: Embedder, watch: Stopwatch) -> SearchResult:
    """Nothing is searched where it is not known whose notes are meant."""
    notices = (meant.notice,) if meant.notice else ()
    return SearchResult(
        meant.question, meant.topic, (), notices, meant.reason, embedder.space.id, watch.total()
    )


def _why_nothing(filters: Filters, store: Store) -> WhyNothingFound:
    """Within the scope: a user who may see nothing is told so whether or not others have notes."""
    if not store.counts(filters.scope).chunks:
        return "no_documents"
    return "below_floor" if admits_any(filters, store) else "filters_match_nothing"
