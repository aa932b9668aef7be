"""BERT-like embedding models on the CPU, by onnxruntime: the embedder that needs no GPU, key or model hub.

Decides how texts become padded batches and batches become unit vectors. Which models there are, `model_catalog` says;
`model_files` finds their weights, and loads no file with another SHA-256 than the catalogue's. Refuses to know about
notes, chunks and stores; a text that is too long is refused, never cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from pipeline.backends.local.model_catalog import LocalModel
from pipeline.backends.local.model_files import INSTALL, LEAVE_EMPTY, chosen_model, weights_of
from pipeline.backends.local.wordpiece import CLS, SEP, SPECIAL_TOKENS, WordPiece
from pipeline.config import EmbedderSettings
from pipeline.errors import ModelFileError, RequestInvalid, ResponseInvalid, SettingsInvalid
from pipeline.ports import SimilarityScale
from pipeline.records import EmbeddingSpace, TextKind, Vector, unit_length

BATCH_TOKENS_MAX = 512
"""Tokens of one forward pass, padding included: the activations of a small batch stay in the cache. Measured: 6,400
tokens a CPU second and 270 MB of memory here, 5,000 and 725 MB at 4,096 (docs/models.md)."""


class LocalEmbedder:
    """Implements ports.Embedder. Safe to share between threads.

    Vectors do not depend on the other texts of a call: padding is masked out exactly and sums run over a text's own
    tokens only. Raises ModelFileError where the weights or onnxruntime are missing or the weights are other ones,
    SettingsInvalid where the settings ask for something that this model is not.
    """

    def __init__(self, settings: EmbedderSettings) -> None:
        self._model = model = chosen_model(settings)
        self._space = _space(model, settings)
        self._batch_size = settings.batch_size
        self._texts_a_pass = 1 if model.one_at_a_time else settings.batch_size
        self._tokenizer = WordPiece()
        weights = weights_of(model, settings)
        self._session, self._vendor_errors = _load(model, weights, settings.threads or _cores())

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

    @property
    def similarity_scale(self) -> SimilarityScale:
        """See ports.Scaled."""
        return self._model.similarity_scale

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._tokenizer.count(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """See ports.Embedder."""
        prefix = self._tokenizer.encode(self._space.query_prefix if kind == "query" else "")
        ids = [[CLS, *prefix, *self._tokenizer.encode(text), SEP] for text in texts]
        self._refuse_too_long(ids)
        vectors = np.empty((len(ids), self._model.dimension), dtype=np.float32)
        for batch in _batches([len(each) for each in ids], self._texts_a_pass):
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
                    f"{self._model.id} reads {self._space.tokens_max}.",
                    remedy="Cut it into shorter passages: lower CHARTWELL_INDEXING__CHUNK_TOKENS_MAX, or shorten the "
                    "question.",
                )

    def _forward(self, ids: Sequence[Sequence[int]]) -> Vector:
        """The token vectors pooled, scaled to length 1; shape (len(ids), dimension)."""
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
        if self._model.pooling == "first":
            return unit_length(states[:, 0])
        # Row by row over the text's own tokens, so that no sum depends on how far a neighbour made it pad.
        means = [state[:length].mean(axis=0) for state, length in zip(states, lengths, strict=True)]
        return unit_length(np.stack(means))


def _space(model: LocalModel, settings: EmbedderSettings) -> EmbeddingSpace:
    wrong = []
    if settings.dimension not in (0, model.dimension):
        wrong.append(
            f"CHARTWELL_EMBEDDER__DIMENSION is {settings.dimension}; {model.id} gives {model.dimension}."
        )
    if settings.tokens_max > model.tokens_max:
        wrong.append(
            f"CHARTWELL_EMBEDDER__TOKENS_MAX is {settings.tokens_max}; {model.id} reads {model.tokens_max}."
        )
    if wrong:
        raise SettingsInvalid(" ".join(wrong), remedy=LEAVE_EMPTY)
    return EmbeddingSpace(
        provider="local",
        model=model.id,
        dimension=model.dimension,
        query_prefix=model.query_prefix,
        tokens_max=settings.tokens_max or model.tokens_max,
        similarity_floor=settings.similarity_floor
        if settings.similarity_floor >= 0
        else model.similarity_floor,
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


def _load(model: LocalModel, weights: bytes, threads: int) -> tuple[Any, tuple[type[Exception], ...]]:
    """The session over the verified weights, and the exceptions that its runtime raises."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as vendor
    except ImportError as error:
        raise ModelFileError(
            f"The package onnxruntime cannot be imported: {error}.", remedy=INSTALL
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
            f"onnxruntime {onnxruntime.__version__} cannot load {model.id}: {error}", remedy=INSTALL
        ) from error
    return session, vendor_errors


def _cores() -> int:
    """Cores this process may use; fewer than the machine's under an affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
