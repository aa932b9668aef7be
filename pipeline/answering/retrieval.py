"""Finds the passages that a question is answered from.

Decides what counts as found: what both retrievers find, fused, above the space's floor, without near-duplicates, newest
first among equals; where nothing clears the floor, what has every word that the question is about. Filters go down to
the store, into both retrievers; nothing is filtered afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.answering.fusion import fuse, newest_first_within, scored, weight_of_words
from pipeline.answering.library_passages import without_library
from pipeline.answering.near_duplicates import selected
from pipeline.config import AnsweringSettings
from pipeline.ports import AS_IT_IS, SimilarityScale, Store
from pipeline.records import Filters, Hit, Vector
from pipeline.text.answerability.asked_words import AskedWords

COPIES = 3
"""So many hits to each different text, on the average, and notes have been copied forward."""
CROWD = 8
"""How many times as many are looked at then."""
CROWD_MAX = 1_000


def retrieve(
    text: str,
    vector: Vector,
    filters: Filters,
    *,
    top_k: int,
    floor: float,
    store: Store,
    settings: AnsweringSettings,
    scale: SimilarityScale = AS_IT_IS,
) -> list[Hit]:
    """The best `top_k` passages, best first. Where nothing clears the floor, those that have every word of what the
    question is about, "ejection fraction"; empty where none has.

    `vector` is the embedded question, shape (dimension,). `floor` is the cosine below which a hit means nothing in
    this space; it holds for hits by words too, whose cosine is computed as well. `scale`: where its cosines lie.
    """
    candidates, patients = max(settings.candidates, top_k), filters.admitted_patients
    word_weight = weight_of_words(text, settings.word_weight)
    # Twice as many as asked for, so that near-duplicates and hits below the floor leave enough.
    wanted = 2 * top_k + 10
    while True:
        fused = fuse(
            store.search_vector(vector, candidates, filters),
            store.search_words(text, candidates, filters),
            word_weight=word_weight,
            scale=scale,
        )
        # The filters held when both retrievers searched. A note that has since become another patient's is read as it
        # is now.
        admitted = [
            hit
            for hit in store.hits(list(fused)[:wanted], vector)
            if filters.scope.admits(hit.domain, hit.patient_id)
            and (patients is None or hit.patient_id in patients)
        ]
        admitted = without_library(text, admitted)
        hits = [hit for hit in admitted if hit.similarity >= floor] or _that_say_it_all(text, admitted)
        ordered = newest_first_within(scored(hits, fused), settings.tie_margin)
        found, texts = selected(ordered, limit=top_k)
        crowded = texts < top_k and len(hits) >= COPIES * texts and len(fused) >= candidates
        if not crowded or not hits or wanted > CROWD_MAX:
            return found
        # Copies of a few texts are all there is: the note that says otherwise comes after them.
        candidates, wanted = CROWD * candidates, CROWD * wanted


def _that_say_it_all(text: str, hits: Sequence[Hit]) -> list[Hit]:
    asked = AskedWords(text)
    return [hit for hit in hits if asked.terms and len(asked.held(hit.text)) == len(asked.terms)]
