"""Ideas that may find more, each beside a plain fusion, on sets with judgements: paired differences of nDCG@10.

python -m benchmarks.retrieval_ideas FOLDER...             ideas that need no other vectors
python -m benchmarks.retrieval_ideas --context FOLDER...   also passages embedded with their note's context: minutes

The corpora are those that `python -m pipeline.evaluate retrieval --set FOLDER` has left in the data folder. Intervals
are 95 % bootstraps over questions; one above 0 is a gain. docs/decisions/retrieval-ideas.md has what came out.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.answering.fusion import fuse
from pipeline.backends.embedded.word_query import TOKENIZER, QuestionReader
from pipeline.config import load_settings
from pipeline.evaluation.beir import EvaluationSet, read_set
from pipeline.evaluation.retrieval import estimate, per_query
from pipeline.indexing.chunking import Chunker
from pipeline.records import Document, Filters, Match, Vector, unit_length
from pipeline.text.cleaning import clean
from pipeline.text.structure.outline import outline
from pipeline.wiring import Corpus, open_corpus

CANDIDATES = 32
WORD_WEIGHT = 0.25
NOTES = 50
CONTEXT_WORDS = 24
_SUBJECT = re.compile(
    r"chief complaint|reason for|presenting|(?:pre-?operative|admi(?:tting|ssion)) diagnos|procedure|indication",
    re.IGNORECASE,
)

Scores = Mapping[str, float]


@dataclass
class Searched:
    """One set with what each retriever finds for each of its questions."""

    set: EvaluationSet
    corpus: Corpus

    @cached_property
    def owner(self) -> dict[str, str]:
        return {chunk_id: resource_id for resource_id, chunk_id in self.corpus.store.chunk_ids()}

    @cached_property
    def documents(self) -> list[Document]:
        found = (self.corpus.store.document(each) for each in dict.fromkeys(self.owner.values()))
        return [document for document in found if document is not None]

    @cached_property
    def questions(self) -> Vector:
        texts = list(self.set.queries.values())
        return np.vstack([self.corpus.embedder.embed([text], "query") for text in texts])

    @cached_property
    def by_vector(self) -> list[list[Match]]:
        return [self.nearest(vector) for vector in self.questions]

    @cached_property
    def by_words(self) -> list[list[Match]]:
        search = self.corpus.store.search_words
        return [search(text, CANDIDATES, Filters()) for text in self.set.queries.values()]

    @cached_property
    def by_note(self) -> list[dict[str, float]]:
        """BM25 of whole notes, scaled by the best, for each question."""
        reader, notes = QuestionReader(), sqlite3.connect(":memory:")
        notes.execute(f"CREATE VIRTUAL TABLE Notes USING fts5(Id UNINDEXED, Text, tokenize = '{TOKENIZER}')")
        rows = [(document.resource_id, document.text_content) for document in self.documents]
        notes.executemany("INSERT INTO Notes VALUES (?, ?)", rows)
        found = []
        for text in self.set.queries.values():
            expression = " OR ".join(f'"{word.text}"' for word in reader.words(text))
            best = notes.execute(
                "SELECT Id, -bm25(Notes) FROM Notes WHERE Notes MATCH ? ORDER BY bm25(Notes) LIMIT ?",
                (expression or '""', NOTES),
            ).fetchall()
            found.append({name: score / best[0][1] for name, score in best})
        reader.close()
        notes.close()
        return found

    def nearest(self, vector: Vector) -> list[Match]:
        return self.corpus.store.search_vector(vector, CANDIDATES, Filters())

    def fused(self, at: int, weight: float = WORD_WEIGHT) -> Scores:
        return fuse(self.by_vector[at], self.by_words[at], word_weight=weight)

    def ndcg(self, scores: Callable[[int], Scores]) -> Vector:
        """nDCG@10 of each question, shape (questions,); a document ranks as its best passage."""
        run: dict[str, dict[str, float]] = {}
        for at, query in enumerate(self.set.queries):
            found = run.setdefault(query, {})
            for chunk_id, score in scores(at).items():
                document = self.owner[chunk_id]
                found[document] = max(score, found.get(document, score))
        return np.asarray(per_query(self.set.judgements, run)["nDCG@10"], dtype=np.float32)


def ideas(searched: Searched) -> dict[str, Callable[[int], Scores]]:
    words = [len(text.split()) for text in searched.set.queries.values()]
    return {
        "word weight 0.15": lambda at: searched.fused(at, 0.15),
        "word weight 0.35": lambda at: searched.fused(at, 0.35),
        "words weigh less beyond 8 of them": lambda at: searched.fused(
            at, WORD_WEIGHT * min(1, 8 / words[at])
        ),
        "words weigh less beyond 20": lambda at: searched.fused(at, WORD_WEIGHT * min(1, 20 / words[at])),
        "min-max": lambda at: fuse(
            _spread(searched.by_vector[at]), searched.by_words[at], word_weight=WORD_WEIGHT
        ),
        "BM25 of the whole note, 0.10": lambda at: _with_note(searched, at, 0.10),
        "BM25 of the whole note, 0.35": lambda at: _with_note(searched, at, 0.35),
        "feedback of the best passage": lambda at: _with_feedback(searched, at, 1),
        "feedback of the three best": lambda at: _with_feedback(searched, at, 3),
    }


def _spread(matches: Sequence[Match]) -> list[Match]:
    """Cosines between 0, the worst candidate's, and 1, the best one's."""
    low, high = min(match.score for match in matches), max(match.score for match in matches)
    return [Match(match.chunk_id, (match.score - low) / ((high - low) or 1)) for match in matches]


def _with_note(searched: Searched, at: int, share: float) -> Scores:
    notes = searched.by_note[at]
    return {
        chunk_id: (1 - share) * score + share * notes.get(searched.owner[chunk_id], 0.0)
        for chunk_id, score in searched.fused(at).items()
    }


def _with_feedback(searched: Searched, at: int, number: int) -> Scores:
    """The question moved by 0.3 towards the passages that are nearest to it, and searched again."""
    best = [match.chunk_id for match in searched.by_vector[at][:number]]
    vectors = np.stack(list(searched.corpus.store.vectors(best).values()))
    moved = unit_length((searched.questions[at] + 0.3 * vectors.mean(axis=0))[None])[0]
    return fuse(searched.nearest(moved), searched.by_words[at], word_weight=WORD_WEIGHT)


def with_context(searched: Searched, titles: Mapping[str, str]) -> Callable[[int], Scores]:
    """Every passage is embedded below the title of its note; without one, below what the note is about."""
    chunker = Chunker(searched.corpus.embedder, load_settings().indexing)
    ids, texts = [], []
    for document in searched.documents:
        context = titles.get(document.resource_id) or context_of(document)
        for chunk in chunker.split(document):
            ids.append(chunk.chunk_id)
            opens = chunk.text.startswith(context)
            texts.append(chunk.embedding_text if opens else f"{context}\n{chunk.embedding_text}")
    vectors = searched.corpus.embedder.embed(texts, "passage")

    def scores(at: int) -> Scores:
        similarities = vectors @ searched.questions[at]
        best = np.argsort(-similarities)[:CANDIDATES].tolist()
        nearest = [Match(ids[place], float(similarities[place])) for place in best]
        return fuse(nearest, searched.by_words[at], word_weight=WORD_WEIGHT)

    return scores


def context_of(document: Document) -> str:
    """The first words of the chief complaint, of what else says why the note was written, or of the note."""
    text = clean(document.text_content).text
    blocks = [block for block in outline(text) if block.form != "heading"]
    about = [block for block in blocks if block.title and _SUBJECT.search(block.title)] or blocks
    return " ".join(text[about[0].start : about[0].end].split()[:CONTEXT_WORDS]) if about else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval_ideas", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--context", action="store_true")
    given = parser.parse_args()
    settings = load_settings()
    for evaluation_set in map(read_set, given.folders):
        own = settings.model_copy(update={"data_dir": settings.data_dir / "evaluation" / evaluation_set.name})
        with open_corpus(own) as corpus:
            searched = Searched(evaluation_set, corpus)
            tried = ideas(searched)
            if given.context:
                titles = {
                    str(record.fields["resource_id"]): _title(record.fields)
                    for record in evaluation_set.records()
                }
                tried["context in the vector"] = with_context(searched, titles)
            base = searched.ndcg(searched.fused)
            print(f"\n{evaluation_set.name}: fused {base.mean():.4f}")
            for name, scores in tried.items():
                found = searched.ndcg(scores)
                gain = estimate(found.astype(np.float64) - base)
                print(
                    f"  {name:<36} {found.mean():.4f}  {gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
                )


def _title(fields: Mapping[str, object]) -> str:
    """The first line where it is a title, as a set with titles has them."""
    line = str(fields["text_content"]).partition("\n")[0]
    return line if len(line.split()) <= 12 and not line.endswith((".", ",", ":")) else ""


if __name__ == "__main__":
    main()
