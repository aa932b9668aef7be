"""What every generator owes its callers (`pipeline.ports.Generator`)."""

from __future__ import annotations

import threading

import pytest

from pipeline.ports import Generator
from pipeline.records import Hit, Prompt

PASSAGES = (
    "Anna Mitchell was started on allopurinol 100 mg once daily for gout. She has had no flare since March.",
    "X-ray of the right knee demonstrates residual arthritis. No fractures noted.",
)
QUESTION = "Which dose of allopurinol was started for gout?"


def prompt(question: str = QUESTION, texts: tuple[str, ...] = PASSAGES) -> Prompt:
    """A prompt as the answering flow builds it, over passages of one note each."""
    passages = tuple(
        Hit(
            chunk_id=f"chunk-{number}",
            resource_id=f"note-{number}",
            patient_id="patient-1",
            document_type="Visit note",
            date="2024-05-01",
            domain=None,
            section=None,
            text=text,
            start=0,
            end=len(text),
            similarity=0.5,
        )
        for number, text in enumerate(texts, start=1)
    )
    numbered = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(texts, start=1))
    return Prompt(
        question=question,
        passages=passages,
        system="Answer from the numbered passages only. Cite them as [1]. If they do not answer, write: NOT STATED",
        user=f"Passages:\n\n{numbered}\n\nQuestion: {question}",
        version="contract@0",
    )


class GeneratorContract:
    @pytest.fixture
    def generator(self) -> Generator:
        raise NotImplementedError("a back-end's test supplies its generator")

    def draft(self, generator: Generator) -> str:
        return "".join(piece.text for piece in generator.stream(prompt()))

    def test_a_draft_comes_in_pieces_and_the_last_one_says_how_it_ended(self, generator: Generator) -> None:
        pieces = list(generator.stream(prompt()))
        assert "".join(piece.text for piece in pieces).strip()
        assert pieces[-1].usage is not None
        assert pieces[-1].finish_reason in {"stop", "length"}
        assert all(piece.usage is None and piece.finish_reason is None for piece in pieces[:-1])

    def test_an_iterator_closed_early_or_never_read_leaves_no_trace(self, generator: Generator) -> None:
        """The same prompt gives the same draft before and after."""
        whole = self.draft(generator)
        generator.stream(prompt())
        stream = generator.stream(prompt())
        assert next(stream).text
        stream.close()  # type: ignore[attr-defined]  # every generator streams from a Python generator
        assert self.draft(generator) == whole

    def test_threads_may_share_it(self, generator: Generator) -> None:
        drafts: list[str] = []
        threads = [threading.Thread(target=lambda: drafts.append(self.draft(generator))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert drafts[0] == drafts[1] != ""

    def test_it_names_its_model(self, generator: Generator) -> None:
        assert generator.model.provider
        assert generator.model.model
        assert generator.model == generator.model

    def test_the_check_passes_where_the_generator_works(self, generator: Generator) -> None:
        generator.check()
