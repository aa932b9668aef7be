"""The models: real calls, once each, of a word or two of ours. No note and no question is sent."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass

import numpy as np

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import TooSlow
from pipeline.checks.result import Finding, failed, passed, skipped
from pipeline.errors import ModelNotFound, Overloaded, ResponseInvalid
from pipeline.imaging.plain_pictures import grey_png
from pipeline.ports import Generator, Served
from pipeline.records import Prompt, Usage

NEAR = "The blood pressure was 120 over 80."
QUERY = "What was the blood pressure?"
FAR = "The harbour master repainted both cranes."
TEST_TOKENS_MAX = 24
UNIT_TOLERANCE = 1e-3


def embedding_check(context: CheckContext) -> Finding:
    """A question and two passages: vectors of the right width and of unit length, and the related text nearer."""
    space = context.embedder.space
    started = time.perf_counter()
    query = context.embedder.embed([QUERY], "query")
    seconds = time.perf_counter() - started
    passages = context.embedder.embed([NEAR, FAR], "passage")
    for vectors, count in ((query, 1), (passages, 2)):
        if vectors.shape != (count, space.dimension):
            raise ResponseInvalid(
                f"The embedder {space.model} gave vectors of shape {vectors.shape}; its space has width "
                f"{space.dimension}.",
                remedy="The server runs another model than the settings say: correct CHARTWELL_EMBEDDER__MODEL.",
            )
    near, far = (float(value) for value in passages @ query[0])
    measured = {
        "width": space.dimension,
        "question_seconds": round(seconds, 4),
        "similarity_near": round(near, 3),
        "similarity_far": round(far, 3),
    }
    lengths = np.linalg.norm(np.concatenate([query, passages]), axis=1)
    if space.normalised and not np.allclose(lengths, 1.0, atol=UNIT_TOLERANCE):
        return failed(
            ResponseInvalid(
                "The embedder's vectors are not of unit length, and its space says they are.",
                remedy="Another model answers than the settings say; correct CHARTWELL_EMBEDDER__MODEL.",
            ),
            **measured,
        )
    if near <= far:
        return failed(
            ResponseInvalid(
                f"The embedder {space.model} finds a related text ({near:.2f}) no nearer than an unrelated "
                f"one ({far:.2f}).",
                remedy="Its weights are damaged, or another model answers: restart the server, and clear its "
                "cache if that does not help.",
            ),
            **measured,
        )
    return passed(
        f"{space.model}, width {space.dimension}: a question takes {seconds * 1000:.0f} ms", **measured
    )


def image_libraries_missing(context: CheckContext) -> bool:
    """Whether the local image model cannot read a picture here."""
    local = context.settings.image_embedder.provider == "local"
    return local and importlib.util.find_spec("PIL") is None


def vision_check(context: CheckContext) -> Finding:
    """One small image: a vector of the right width. Says whether the space has a text side."""
    embedder = context.image_embedder
    if embedder is None:
        return skipped("no image model is configured (CHARTWELL_IMAGE_EMBEDDER__PROVIDER)")
    if image_libraries_missing(context):
        return skipped("images are not read here: the extra `images` is not installed")
    space = embedder.space
    started = time.perf_counter()
    vectors = embedder.embed_images([grey_png()])
    seconds = time.perf_counter() - started
    if vectors.shape != (1, space.dimension):
        raise ResponseInvalid(
            f"The image model {space.model} gave a vector of shape {vectors.shape}; its space has width "
            f"{space.dimension}.",
            remedy="The server runs another model than the settings say: correct CHARTWELL_IMAGE_EMBEDDER__MODEL.",
        )
    return passed(
        f"{space.model}, width {space.dimension}: an image takes {seconds * 1000:.0f} ms; words find images "
        + ("by it" if embedder.reads_texts else "by their reports and metadata only"),
        width=space.dimension,
        reads_texts=embedder.reads_texts,
        image_seconds=round(seconds, 4),
    )


def nim_llm_health_check(context: CheckContext) -> Finding:
    """Ready, and the model that the settings name among those that it lists."""
    if context.settings.generator.provider != "nim":
        return skipped(f"answers come from {context.settings.generator.provider}, not from a NIM")
    generator = context.generator
    assert isinstance(generator, Served)
    started = time.perf_counter()
    health = generator.health()
    seconds = round(time.perf_counter() - started, 4)
    model = generator.model.model
    if not health.ready:
        return failed(
            Overloaded(
                f"The language model {model} is still loading.",
                remedy="Wait: 3-5 minutes with a warm cache, up to 30 at the first start. Longer: sudo "
                "docker logs --tail 50 nim-llm.",
            ),
            ready=False,
            answer_seconds=seconds,
        )
    measured = {"ready": True, "models": len(health.models), "answer_seconds": seconds}
    if model not in health.models:
        listed = ", ".join(health.models[:3]) or "none"
        return failed(
            ModelNotFound(
                f"The server does not serve {model}; it lists {listed}.",
                remedy="Set CHARTWELL_GENERATOR__MODEL to what it serves, or start the container of that model "
                "(pulumi config set llmModel).",
            ),
            **measured,
        )
    return passed(f"ready, serves {model}", **measured)


@dataclass(frozen=True, slots=True)
class _Try:
    characters: int
    tokens: int
    first_seconds: float
    seconds: float

    @property
    def tokens_per_second(self) -> float | None:
        writing = self.seconds - self.first_seconds
        return round(self.tokens / writing, 1) if self.tokens > 1 and writing > 1e-3 else None


def nim_llm_inference_test(context: CheckContext) -> Finding:
    """A real answer of a few tokens, streamed: neither health nor the list of models proves that a model answers."""
    if context.settings.generator.provider != "nim":
        return skipped(
            f"answers come from {context.settings.generator.provider}, not from a NIM: generator_check"
        )
    return _inference(context)


def generator_check(context: CheckContext) -> Finding:
    """The same of every other generator."""
    if context.settings.generator.provider == "nim":
        return skipped("answers come from a NIM: nim_llm_inference_test")
    if context.settings.generator.provider == "extractive":
        return skipped("answers are quotations, no model writes them: end_to_end_check")
    return _inference(context)


def _inference(context: CheckContext) -> Finding:
    generator = context.short_generator(TEST_TOKENS_MAX)
    limit = context.settings.checks.answer_seconds_max
    tried = _one_answer(generator)
    first = tried.seconds
    if tried.seconds > limit:
        tried = _one_answer(generator)  # the first answer after a start may be slow; the second must not be
    measured: dict[str, str | int | float | bool | None] = {
        "first_token_seconds": round(tried.first_seconds, 3),
        "answer_seconds": round(tried.seconds, 3),
        "tokens": tried.tokens,
        "tokens_per_second": tried.tokens_per_second,
    }
    model = generator.model.model
    if not tried.characters:
        return failed(
            ResponseInvalid(
                f"The language model {model} answered with nothing.",
                remedy="A base model without a chat template does this: use an instruct model.",
            ),
            **measured,
        )
    if tried.seconds > limit:
        return failed(
            TooSlow(
                f"{tried.tokens or 'A few'} tokens of {model} took {first:.1f} and {tried.seconds:.1f} s; "
                f"{limit:g} s are allowed.",
                remedy="See who else uses the GPU (gpu_check: memory and utilisation), how many requests wait "
                "(num_requests_waiting at /v1/metrics), and whether the model runs on the CPU. "
                "CHARTWELL_CHECKS__ANSWER_SECONDS_MAX is the limit.",
            ),
            **measured,
        )
    rate = f", {tried.tokens_per_second:g} tokens/s" if tried.tokens_per_second else ""
    return passed(
        f"{model}: first token after {tried.first_seconds * 1000:.0f} ms{rate}",
        **measured,
    )


def _one_answer(generator: Generator) -> _Try:
    prompt = Prompt("", (), "You answer with one short sentence.", "Say that you are ready.", "check")
    started = time.perf_counter()
    first, characters, usage = 0.0, 0, Usage()
    for piece in generator.stream(prompt):
        if piece.text and not characters:
            first = time.perf_counter() - started
        characters += len(piece.text)
        usage = piece.usage or usage
    return _Try(characters, usage.completion_tokens, first, time.perf_counter() - started)
