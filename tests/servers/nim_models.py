"""What the simulated models compute: vectors, scores and answers that mean something, and what inputs they refuse."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from tests.servers.faults import Faults
from tests.servers.wire import Refusal

EMBEDDER = "nvidia/nv-embedqa-e5-v5"
EMBEDDER_WIDE = "nvidia/nemotron-3-embed-1b"
EMBEDDER_SMALL = "simulator/embed-64"
"""No model of NVIDIA's: narrow vectors, for tests of what happens to many of them."""
IMAGE_EMBEDDER = "nvidia/nvclip"
CHAT = "meta/llama-3.1-8b-instruct"
RANKER = "nvidia/llama-3.2-nv-rerankqa-1b-v2"
TEXT_DIMENSIONS = {EMBEDDER: 1024, EMBEDDER_WIDE: 2048, EMBEDDER_SMALL: 64}
TEXT_TOKENS_MAX = {
    EMBEDDER: 512,
    EMBEDDER_WIDE: 8192,
    EMBEDDER_SMALL: 512,
    "nomic-embed-text": 2048,
    "text-embedding-3-small": 8191,
}
OPENAI_DIMENSIONS = {"nomic-embed-text": 768, "text-embedding-3-small": 1536}
"""As an OpenAI-compatible server has them: no `input_type`; the second may be asked for fewer dimensions."""
DIMENSIONS = TEXT_DIMENSIONS | OPENAI_DIMENSIONS
IMAGE_DIMENSION = 1024
MODELS = (EMBEDDER, EMBEDDER_WIDE, EMBEDDER_SMALL, IMAGE_EMBEDDER, CHAT, RANKER, *OPENAI_DIMENSIONS)
VECTOR_SCALE = 2.5
"""The real servers do not promise unit length; this one never gives it."""

WORD = re.compile(r"[a-z0-9]+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PASSAGE = re.compile(r"^\[(\d+)\][^\n]*\n", re.MULTILINE)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
STOP_WORDS = frozenset(
    WORD.findall(
        "a an and are as at be did do does for from had has have how in is it its of on or that the to was were what "
        "when which who why will with"
    )
)


def count_tokens(text: str) -> int:
    """Words and punctuation marks: never more than a real tokenizer's count."""
    return len(_TOKEN.findall(text))


@lru_cache(maxsize=200_000)
def _place(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=7).digest(), "big")


def bag_of_words(text: str, width: int) -> np.ndarray:
    """Hashed and signed word counts, shape (width,), length 2.5: texts that share words are near each other."""
    places = np.array([_place(word) for word in WORD.findall(text.lower())], dtype=np.int64)
    if not places.size:
        places = np.zeros(1, dtype=np.int64)
    vector = np.bincount((places >> 1) % width, weights=(places & 1) * 2 - 1, minlength=width)
    length = float(np.sqrt(vector @ vector))
    if length == 0:  # every word met its opposite
        vector[0] = length = 1.0
    return np.asarray(vector * (VECTOR_SCALE / length), dtype=np.float32)


def embedding(text: str, width: int, input_type: object) -> np.ndarray:
    """As `bag_of_words`; query and passage are not quite the same text, as with the real model."""
    vector = bag_of_words(text, width)
    if input_type:
        vector += 0.1 * bag_of_words(f"{input_type}", width)
    return vector


def quoting_answer(prompt: str) -> str:
    """The sentence of the numbered passages that shares most words with the question, quoted, with its number."""
    marks = list(_PASSAGE.finditer(prompt))
    if not marks:
        return "ready"
    before, _, rest = prompt.rpartition("\nQuestion:")
    question = set(WORD.findall(rest.partition("\n")[0].lower())) - STOP_WORDS
    best, best_score = "", 0
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        passage = before[mark.end() : following.start() if following else len(before)]
        for sentence in _SENTENCE.findall(passage):
            score = len(question & set(WORD.findall(sentence.lower())))
            if score > best_score and '"' not in sentence:
                best, best_score = f'"{sentence.strip()}" [{mark.group(1)}]', score
    return best or "NOT STATED"


def checked_tokens(model: str, asked: Mapping[str, Any], texts: list[str]) -> list[int]:
    nim = model not in OPENAI_DIMENSIONS
    known = {"model", "input", "encoding_format", "user"} | (
        {"input_type", "truncate"} if nim else {"dimensions"}
    )
    extra = set(asked) - known
    if extra:
        name = sorted(extra)[0]
        problem = {"type": "extra_forbidden", "loc": ("body", name), "msg": "Extra inputs are not permitted"}
        raise Refusal(400, {"error": str([{**problem, "input": asked.get(name)}])})
    if nim and asked.get("input_type") not in ("query", "passage"):
        raise Refusal(
            400,
            {"error": "'input_type' parameter is required for this model: query or passage", "input": texts},
        )
    tokens = [count_tokens(text) for text in texts]
    limit = TEXT_TOKENS_MAX[model]
    if asked.get("truncate", "NONE") == "NONE" and max(tokens) > limit:
        raise Refusal(
            400, {"error": f"Input length {max(tokens)} exceeds maximum allowed token size {limit}"}
        )
    return [min(count, limit) for count in tokens]


def check_images(inputs: list[str], faults: Faults) -> None:
    """What NV-CLIP refuses: too many or too large inputs, and an image that does not open or is labelled as another."""
    if len(inputs) > faults.images_max:
        problem = {"loc": ["body", "input"], "msg": f"List should have at most {faults.images_max} items"}
        raise Refusal(422, {"detail": [{"type": "too_long", **problem}]})
    if 0 < faults.image_characters_max < sum(map(len, inputs)):
        raise Refusal(413, "Request Entity Too Large")
    for entry in inputs:
        if entry.startswith("data:"):
            _check_image(entry, faults.image_side_max)


def _check_image(entry: str, side_max: int) -> None:
    head, _, encoded_image = entry.partition(",")
    kind = {"data:image/png;base64": "PNG", "data:image/jpeg;base64": "JPEG"}.get(head)
    if kind is None:
        raise Refusal(400, {"error": "image format is not supported"})
    try:
        raw = base64.b64decode(encoded_image, validate=True)
    except ValueError:
        raise Refusal(400, {"error": "image is not base64"}) from None
    try:
        from PIL import Image  # noqa: PLC0415  not in the containers of the proof, which embed no image

        with Image.open(io.BytesIO(raw), formats=[kind]) as image:
            image.load()
    except (OSError, SyntaxError):
        raise Refusal(400, {"error": "image format does not match its content"}) from None
    if 0 < side_max < max(image.size):
        raise Refusal(400, {"error": f"image is larger than {side_max} pixels"})


def content(text: str) -> str:
    """What an input means: a text its words, an image its runs of bytes."""
    if not text.startswith("data:"):
        return text
    raw = base64.b64decode(text.partition(",")[2])
    return " ".join(raw[at : at + 8].hex() for at in range(0, len(raw), 8))


def usage(asked: Mapping[str, Any], completion_tokens: int) -> dict[str, int]:
    prompt_tokens = sum(count_tokens(str(message.get("content", ""))) for message in asked["messages"])
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def encoded(vector: np.ndarray, encoding: object) -> str:
    if encoding == "base64":
        return f'"{base64.b64encode(vector.astype("<f4").tobytes()).decode()}"'
    numbers = ["0.0"] * len(vector)  # most are: printing the others only is ten times faster
    for place in np.flatnonzero(vector):
        numbers[place] = "NaN" if np.isnan(vector[place]) else f"{vector[place]:.7g}"
    return f"[{','.join(numbers)}]"


def model_list() -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "owned_by": "nvidia"} for name in MODELS],
    }
