"""Every setting of the pipeline: one frozen object, read once, from the environment and `.env`.

Variables are `CHARTWELL_<NAME>`, with `__` before a field of a group: `CHARTWELL_EMBEDDER__PROVIDER`. All problems
are reported together, each with the variable, what was found, what is expected and where to set it. Secrets are
masked wherever a setting is printed. This module opens no connection and loads no model.

`python -m pipeline.config` writes the reference of all settings, which is `.env.example`.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.deployed_settings import stack_variables
from pipeline.errors import SettingsInvalid

PREFIX = "CHARTWELL_"
NESTED = "__"


def _http_url(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("a URL that starts with http:// or https://")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _exact_url(value: str) -> str:
    _http_url(value)
    return value


ExactUrl = Annotated[str, AfterValidator(_exact_url)]
"""A URL that is compared letter by letter: a slash at its end belongs to it."""


def _unset(value: object) -> object:
    """`NAME=` in a file of settings says that there is no value."""
    return None if value == "" else value


Price = Annotated[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(_unset)]
"""US dollars; None: not known."""


class SettingsGroup(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(SettingsGroup):
    """Where notes, vectors and the ledger are kept."""

    kind: Literal["embedded", "iris"] = Field(
        "embedded", description="embedded: one SQLite file in the data folder; iris: InterSystems IRIS"
    )
    exact_chunks_max: int = Field(
        50_000,
        ge=0,
        description="embedded: up to this many chunks (of 1,024 dimensions) every vector is compared",
    )
    word_postings_max: int = Field(
        10_000,
        ge=100,
        description="embedded: word search scores about this many matches, rarest words first",
    )


class IrisSettings(SettingsGroup):
    """InterSystems IRIS, used where CHARTWELL_STORE__KIND=iris."""

    host: str = Field("127.0.0.1", description="host name or address of the superserver")
    port: int = Field(1972, ge=1, le=65535, description="superserver port")
    namespace: str = Field("DEMO", description="namespace that holds the tables")
    sql_schema: str = Field(
        "DEMO", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,100}$", description="schema of the tables in it"
    )
    username: str = Field("chartwell", description="application account, not _SYSTEM")
    password: SecretStr = Field(SecretStr(""), description="its password")
    tls_name: str = Field("", description="the driver's TLS configuration; empty: clear text")
    connections_max: int = Field(3, ge=1, le=8, description="a Community licence has 8 connections in all")
    timeout_seconds: float = Field(10.0, gt=0, description="longest wait for a connection")


class EmbedderSettings(SettingsGroup):
    """Who turns text into vectors. Another choice is another embedding space: indexed notes must be embedded again."""

    provider: Literal["local", "hashing", "nim", "openai", "bedrock"] = Field(
        "local",
        description="local: all-MiniLM-L6-v2 or another small model on the CPU; hashing: a fallback without weights, "
        "word overlap only; nim, openai (any compatible server), bedrock",
    )
    model: str = Field("", description="model id; empty: the provider's default")
    url: HttpUrl = Field(
        "", description="base URL of a nim or openai server, for example http://127.0.0.1:8001/v1"
    )
    model_file: Path | None = Field(
        None, description="local: file of the model, or folder that python -m pipeline.models fetch fills"
    )
    api_key: SecretStr = Field(SecretStr(""), description="bearer token where the server wants one")
    dimension: int = Field(
        0, ge=0, le=8192, description="width of the vectors; 0: what is known of the model"
    )
    tokens_max: int = Field(0, ge=0, description="longest text in tokens; 0: what is known of the model")
    similarity_floor: float = Field(
        -1.0,
        ge=-1.0,
        le=1.0,
        description="cosine below which a hit means nothing; -1: what is known of the model",
    )
    batch_size: int = Field(32, ge=1, le=512, description="texts a request or forward pass")
    threads: int = Field(0, ge=0, description="local: CPU threads; 0: all cores")


class GeneratorSettings(SettingsGroup):
    """Who writes answers."""

    provider: Literal["extractive", "gguf", "nim", "openai", "bedrock"] = Field(
        "extractive",
        description="extractive: quotes the sentences that answer, no language model; gguf: a chat model by path; "
        "nim, openai (any compatible server), bedrock",
    )
    model: str = Field("", description="model id; empty: the provider's default")
    url: HttpUrl = Field(
        "", description="base URL of a nim or openai server, for example http://127.0.0.1:8000/v1"
    )
    api_key: SecretStr = Field(SecretStr(""), description="bearer token where the server wants one")
    model_path: Path | None = Field(None, description="gguf: path of the model file")
    model_sha256: str = Field(
        "", pattern=r"^([0-9a-f]{64})?$", description="gguf: SHA-256 of that file; another file is not loaded"
    )
    sentence_similarity_min: float = Field(
        0.40, ge=0.0, le=1.0, description="extractive: a sentence less similar to the question is no answer"
    )
    sentences_max: int = Field(3, ge=1, le=20, description="extractive: sentences quoted at most")
    tokens_max: int = Field(512, ge=16, le=8192, description="longest answer in tokens")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0: the same question gives the same answer")
    threads: int = Field(0, ge=0, description="gguf: CPU threads; 0: all cores")
    thinking: Literal["auto", "never", "always"] = Field(
        "auto",
        description="whether the model writes down its reasoning before its answer. never: statements are shown as "
        "they come; always: an answer cut off before the end of its thinking is none; auto: as far as known by the "
        "model's name, else nothing is shown before the answer is whole",
    )
    reasoning_effort: str = Field(
        "",
        pattern=r"^[a-z]*$",
        description="sent where it is set, for example none or low, to servers that know it",
    )
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens",
        description="nim, openai: the name under which tokens_max is sent; OpenAI's newer models take the second",
    )
    send_temperature: bool = Field(
        True,
        description="false for models that take no temperature: the same question may be answered differently",
    )
    send_stream_options: bool = Field(
        True, description="nim, openai: ask for the tokens used; false for servers that refuse it"
    )
    merge_system: bool = Field(
        False, description="true for models without a system role: its text goes before the question's"
    )
    extra_body: dict[str, Any] = Field(
        {},
        description="further fields of the request as JSON, for example "
        '{"chat_template_kwargs": {"enable_thinking": false}}; bedrock: additionalModelRequestFields',
    )

    @field_validator("extra_body")
    @classmethod
    def _is_no_other_request(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return _same_request(fields)


def _same_request(fields: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError where fields of one's own would make another request of it."""
    if ours := sorted(fields.keys() & {"messages", "model", "stream", "n", "tools"}):
        raise ValueError(f"may not change {', '.join(ours)}")
    return fields


class RankerSettings(SettingsGroup):
    """Who orders the passages of a search once more, by reading each together with the question."""

    provider: Literal["none", "nim"] = Field(
        "none", description="none: passages stand as retrieval ordered them; nim: a reranking NIM"
    )
    model: str = Field("", description="model id; empty: the provider's default")
    url: HttpUrl = Field("", description="base URL of a nim server, for example http://127.0.0.1:8003/v1")
    api_key: SecretStr = Field(SecretStr(""), description="bearer token where the server wants one")


class ImageEmbedderSettings(SettingsGroup):
    """Who turns images into vectors. Another choice is another space: indexed images must be embedded again."""

    provider: Literal["local", "nim", "bedrock", "none"] = Field(
        "local",
        description="local: near-identical look, no weights, no text side; nim: NV-CLIP; bedrock: Titan Multimodal "
        "Embeddings; none: images are not embedded",
    )
    model: str = Field("", description="model id; empty: the provider's default")
    url: HttpUrl = Field("", description="base URL of a nim server, for example http://127.0.0.1:8002/v1")
    api_key: SecretStr = Field(SecretStr(""), description="bearer token where the server wants one")
    dimension: int = Field(
        0,
        ge=0,
        le=8192,
        description="bedrock: 256, 384 or 1024; nim: of a model other than NV-CLIP; 0: what is known of the model",
    )


class VisionSettings(SettingsGroup):
    """Who says in words what a picture shows: unchecked, and shown apart from the answer (docs/images.md)."""

    provider: Literal["none", "nim", "openai"] = Field(
        "none",
        description="none: no model reads pixels; nim: a vision-language NIM; openai: any compatible server that takes "
        "pictures in a chat",
    )
    model: str = Field("", description="model id; empty: the provider's default, openai has none")
    url: HttpUrl = Field("", description="base URL of the server, for example http://127.0.0.1:8004/v1")
    api_key: SecretStr = Field(SecretStr(""), description="bearer token where the server wants one")
    seconds_max: float = Field(60.0, gt=0, description="longest wait for what it says of one picture")
    tokens_max: int = Field(
        512, ge=16, le=8192, description="what it may write of one picture, in tokens, its reasoning included"
    )
    characters_max: int = Field(
        1200, ge=100, le=20_000, description="what is shown of that, cut at the end of a sentence"
    )
    thinking: Literal["auto", "never", "always"] = Field(
        "auto", description="whether it writes down its reasoning first, as for the generator"
    )
    films_max: int = Field(
        2, ge=0, le=10, description="cited images that it is shown for one answer, besides the one asked with"
    )
    extra_body: dict[str, Any] = Field({}, description="further fields of the request as JSON")

    @field_validator("extra_body")
    @classmethod
    def _is_no_other_request(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return _same_request(fields)


class ImageReadingSettings(SettingsGroup):
    """How images are decoded and prepared (docs/images.md)."""

    side: int = Field(
        518, ge=224, le=518, description="longest side of the picture that a model is given, in pixels"
    )
    processes: int = Field(0, ge=0, description="processes that decode; 0: one a core")
    patient_from: Literal["both", "table"] = Field(
        "both",
        description="both: an image whose header and table name two patients is refused; table: the table alone "
        "counts, and an image without a row is refused",
    )
    seconds_max: int = Field(60, ge=1, description="patience with one image; after that it is refused")
    memory_mib_max: int = Field(4096, ge=1024, description="memory of a process that decodes, in MiB")
    pixels_max: int = Field(
        64_000_000, ge=1_000_000, description="pixels of one frame; a larger one is refused by its header"
    )


class DeidentificationSettings(SettingsGroup):
    """What is taken out of images before anything leaves the reading (docs/images.md)."""

    key_file: Path | None = Field(
        None,
        description="file with the key that ids and days are derived from; empty: deidentification.key in data_dir, "
        "made once",
    )
    patient_id: Literal["keep", "map"] = Field(
        "keep", description="keep: images are the patients' whose notes are here; map: P and 20 hex digits"
    )
    dates: Literal["keep", "shift", "remove"] = Field(
        "keep",
        description="keep: as the notes have them; shift: back by a number of days for each patient; remove",
    )
    shift_days_max: int = Field(3650, ge=1, le=36500, description="longest shift in days")
    uids: Literal["map", "keep"] = Field(
        "map", description="map: valid UIDs below 2.25 derived from the key; keep: those of the archive"
    )
    descriptions: Literal["clean", "remove"] = Field(
        "clean", description="clean: of a study's and series' description the words that name no one; remove"
    )
    source_names: Literal["clean", "keep"] = Field(
        "clean",
        description="clean: names of files and folders that may name someone are given as a code; keep",
    )
    pixel_text: Literal["refuse", "mask", "keep"] = Field(
        "refuse",
        description="an image that shows other text than marks (L, AP, PORTABLE): refuse it, mask the text; "
        "keep: do not look",
    )
    pixel_text_modalities: str = Field(
        "US SC OT XC ES GM UNKNOWN",
        description="modalities whose every image is read for text, with blanks between; UNKNOWN: the file "
        "names none, as PNG and JPEG do",
    )
    pixel_text_sample: float = Field(
        0.01, ge=0, le=1, description="share of all other images that is read for text"
    )
    without_ocr: Literal["refuse", "pass"] = Field(
        "refuse",
        description="an image that must be read for text where the extra ocr is not installed; pass: take it, counted",
    )


class LibrarySettings(SettingsGroup):
    """Documents of the library: where the files are kept as they were handed in (docs/documents.md)."""

    originals: Literal["folder", "bucket"] = Field(
        "folder", description="folder: in data_dir; bucket: in S3, or in any store that speaks its protocol"
    )
    bucket: str = Field("", description="name of the bucket; no one else may write to it")
    prefix: str = Field(
        "", pattern=r"^([A-Za-z0-9._-]+/)*$", description="what keys in it begin with, for example chartwell/"
    )
    endpoint: HttpUrl = Field(
        "",
        description="of another store than S3, for example https://ACCOUNT.r2.cloudflarestorage.com; empty: S3",
    )
    region: str = Field("us-east-1", description="region of the bucket; Cloudflare R2: auto")
    encryption: Literal["AES256", "aws:kms", "none"] = Field(
        "AES256",
        description="what the server is asked to encrypt with; none: for servers that encrypt without being asked, as "
        "Cloudflare R2, and refuse the question",
    )
    kms_key_id: str = Field("", description="aws:kms: the key; empty: AWS's own for S3")
    upload_minutes: int = Field(
        15, ge=1, le=60, description="how long a browser may take to begin a direct upload into the bucket"
    )


class BedrockSettings(SettingsGroup):
    """Amazon Bedrock, used where a provider is bedrock. Credentials come from the usual AWS places."""

    region: str = Field("us-east-1", description="region whose models are called")


class TransportSettings(SettingsGroup):
    """Patience with model servers: one policy for all providers that speak HTTP."""

    connect_seconds: float = Field(5.0, gt=0, description="longest wait for a connection")
    read_seconds: float = Field(120.0, gt=0, description="longest wait for the next byte of an answer")
    attempts_max: int = Field(6, ge=1, le=20, description="attempts of one request, the first included")
    retry_seconds_max: float = Field(
        300.0, ge=0, description="total time that one request may spend on attempts"
    )
    requests_per_minute: float = Field(
        0.0, ge=0, description="a known limit of the server; 0: none, find out"
    )
    in_flight_max: int = Field(32, ge=1, le=256, description="requests in flight at most")


class IndexingSettings(SettingsGroup):
    """How notes become chunks."""

    batch_size: int = Field(32, ge=1, le=1000, description="notes embedded and committed together")
    chunk_tokens_max: int = Field(160, ge=16, le=8192, description="longest passage in tokens")
    note_characters_max: int = Field(
        2_000_000, ge=1000, description="a longer note is rejected: it is a concatenation, not a note"
    )
    date_order: Literal["day", "month"] | None = Field(
        None,
        description="which number comes first in dates like 03/04/2024; without it such dates are refused",
    )
    attempts_max: int = Field(
        5, ge=1, description="a note that failed this often is retried only with --retry-failed"
    )
    lease_seconds: float = Field(
        300.0, gt=0, description="a worker silent for this long has lost its notes to others"
    )
    store_patience_seconds: float = Field(
        600.0, ge=0, description="how long a run waits for a store that restarts before it ends"
    )


class AnsweringSettings(SettingsGroup):
    """How passages are found and put before the generator."""

    top_k: int = Field(10, ge=1, le=100, description="passages handed to the generator at most")
    candidates: int = Field(32, ge=1, le=1000, description="passages taken from each retriever before fusion")
    word_weight: float = Field(
        0.25,
        ge=0.0,
        le=1.0,
        description="share of the word retriever in the fusion, less for questions of more than 20 words; measured in "
        "docs/evaluation.md",
    )
    tie_margin: float = Field(
        0.01,
        ge=0.0,
        le=1.0,
        description="passages whose fused scores differ by less are ordered newest first",
    )
    ranked: int = Field(
        40, ge=1, le=200, description="with a ranker: passages that it reads, of which top_k are kept"
    )
    context_tokens_max: int = Field(
        3000, ge=100, description="budget of all passages together, in the embedder's tokens"
    )
    plan_by_model: bool = Field(
        False,
        description="with a language model: where the words of a question are not understood as a whole, it is asked "
        "once more what the question asks for; what it says counts as far as the question's words and the register "
        "of patients bear it out",
    )
    patients_asked_max: int = Field(
        20,
        ge=0,
        le=1000,
        description="with a language model: patients whose notes it is asked of, one request each, where a question is "
        "about several; of further ones the notes are quoted. 0: answers of a known shape are quoted, and no model is "
        "asked",
    )


class ChecksSettings(SettingsGroup):
    """What python -m pipeline.validate expects of the machine and its speed; nothing else reads it."""

    gpu: Literal["auto", "required", "none"] = Field(
        "auto", description="required: the machine must have one; auto: looked at where there is a driver"
    )
    volume: Path | None = Field(
        None,
        description="where the data volume must be mounted; empty: the data folder is on no volume of its own",
    )
    volume_id: str = Field(
        "",
        pattern=r"^(vol-[0-9a-f]{8,17})?$",
        description="EBS volume that must be mounted there; AWS encrypts it, which cannot be seen from inside",
    )
    service_url: HttpUrl = Field(
        "",
        description="base URL of the service, asked for /readyz; empty: CHARTWELL_SERVICE__PUBLIC_URL, if that is set",
    )
    service_address: str = Field(
        "",
        pattern=r"^([A-Za-z0-9.:-]+:\d{1,5})?$",
        description="HOST:PORT at which this machine reaches the service; empty: those of its URL",
    )
    trust_file: Path | None = Field(
        None,
        description="PEM file of certificates to trust besides this machine's authorities, such as a self-signed one",
    )
    answer_seconds_max: float = Field(20.0, gt=0, description="an answer that takes longer is too slow")
    index_passages_min: int = Field(
        20_000,
        ge=1,
        description="iris: from this many passages on a search must be answered by the vector index; "
        "below, comparing all is as fast",
    )


class MetricsSettings(SettingsGroup):
    """Numbers for Prometheus. They never hold text or an id; they need the extra `observe`."""

    enabled: bool = Field(
        True, description="count and time what happens, where prometheus-client is installed"
    )
    textfile: Path | None = Field(
        None,
        description="where an indexing run writes its metrics (node_exporter's textfile format), for every account of "
        "the host to read; empty: ingestion.prom in the data folder, for its owner alone",
    )
    textfile_seconds: float = Field(15.0, gt=0, description="how often a run writes them")
    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="port of 127.0.0.1 on which an indexing run serves its metrics; 0: none",
    )
    emf_seconds: float = Field(
        0.0,
        ge=0,
        description="how often a log line in CloudWatch's embedded metric format is written; 0: never",
    )


class TracingSettings(SettingsGroup):
    """OpenTelemetry traces. Off by default; they never hold text or an id; they need the extra `observe`."""

    exporter: Literal["none", "otlp", "file", "console"] = Field(
        "none", description="otlp: to a collector over HTTP; file and console: JSON lines, to try it"
    )
    endpoint: HttpUrl = Field(
        "http://127.0.0.1:4318/v1/traces", description="otlp: where the collector takes traces"
    )
    file: Path | None = Field(
        None, description="file: where spans are appended; empty: traces.jsonl in the data folder"
    )
    ratio: float = Field(1.0, ge=0.0, le=1.0, description="share of traces that are recorded")


class ServiceSettings(SettingsGroup):
    """The service and its page (python -m pipeline.serve)."""

    host: str = Field("127.0.0.1", description="address that the service listens on")
    port: int = Field(8010, ge=0, le=65535, description="its port; 0: any that is free")
    public_url: HttpUrl = Field(
        "", description="URL under which people reach it, for links and cookies; empty: host and port"
    )
    proxy_key_file: Path | None = Field(
        None,
        description="file with the key that the server in front sends as X-Chartwell-Proxy; only with it "
        "X-Forwarded-For counts as the client's address; empty: no one's word counts",
    )
    demo: bool = Field(
        False, description="every user is an administrator, without signing in; loopback addresses only"
    )
    state_url: SecretStr = Field(
        SecretStr(""),
        description="postgresql://... for people, keys, conversations, audit; empty: service.sqlite in data_dir",
    )
    sign_in_hours: float = Field(12.0, gt=0, le=720, description="a browser signs in again after this long")
    idle_minutes: float = Field(30.0, gt=0, le=1440, description="and after this long without a request")
    link_hours: float = Field(24.0, gt=0, le=720, description="how long a one-time link works")
    key_days_max: int = Field(365, ge=1, le=3650, description="longest life of an API key")
    password_characters_min: int = Field(12, ge=8, le=128, description="shortest password")
    password_memory_mebibytes: int = Field(
        64, ge=1, le=4096, description="argon2id: memory of one hash; the default is RFC 9106's second choice"
    )
    password_passes: int = Field(3, ge=1, le=100, description="argon2id: passes over that memory")
    password_lanes: int = Field(4, ge=1, le=64, description="argon2id: lanes")
    conversation_days: int = Field(
        0, ge=0, description="a conversation unused for this long is deleted; 0: only its owner deletes it"
    )
    receipt_text_days: int = Field(
        2190,
        ge=0,
        description="how long the text of a question and its answer stays readable for reviewers, also when the "
        "conversation was deleted (45 CFR 164.316 asks for six years); 0: until its conversation is deleted",
    )
    inbox: Path | None = Field(
        None, description="file or folder that indexing jobs read; empty: the service starts no jobs"
    )
    activity_file: Path | None = Field(
        None, description="touched while the service is used, so that an idle host is paused; empty: no file"
    )
    question_characters_max: int = Field(
        2000, ge=10, le=20_000, description="longest question, here and on the command line"
    )
    body_bytes_max: int = Field(65_536, ge=1024, description="largest body of a request")
    image_mib_max: int = Field(
        16, ge=1, le=64, description="largest image that a person asks with, in MiB, before it is base64"
    )
    images_at_once: int = Field(
        2, ge=1, le=64, description="processes that read originals and uploaded images; others wait"
    )
    requests_per_minute: int = Field(240, ge=1, description="of one person or key; more get 429")
    answers_at_once: int = Field(16, ge=1, le=512, description="answers worked on at the same time")
    answers_waiting_max: int = Field(256, ge=0, description="questions that wait for a place; more get 429")
    answers_each_max: int = Field(8, ge=1, description="answers in progress for one person or key")
    connections_max: int = Field(1000, ge=1, description="requests in flight at the same time, of all kinds")
    send_seconds_max: float = Field(
        20.0, gt=0, description="a client that takes nothing for this long is let go"
    )
    drain_seconds_max: float = Field(
        30.0, ge=0, description="how long a stop waits for answers in progress before it cuts them off"
    )
    check_seconds_max: float = Field(5.0, gt=0, description="readiness: patience with one dependency")
    checks_kept_seconds: float = Field(
        10.0, ge=0, description="readiness: how long a finding is believed before it is looked at again"
    )


Role = Literal["reader", "contributor", "reviewer", "administrator"]


class OidcSettings(SettingsGroup):
    """Sign-in with the hospital's own identity provider (OpenID Connect). Off while no issuer is named."""

    issuer: ExactUrl = Field("", description="the provider's issuer URL, exactly as it spells it")
    client_id: str = Field("", description="this service as the provider knows it")
    client_secret: SecretStr = Field(SecretStr(""), description="its secret")
    label: str = Field(
        "your hospital account", description="what the sign-in button says after 'Sign in with'"
    )
    scopes: str = Field("openid profile email", description="scopes asked for")
    role_claim: str = Field("groups", description="claim of the ID token that decides the role")
    roles: dict[str, Role] = Field(
        {},
        description='value of that claim to role, as JSON: {"chartwell-readers": "reader"}; others are refused',
    )
    name_claim: str = Field("preferred_username", description="claim that becomes the person's name")
    new_people_see: Literal["nothing", "everything"] = Field(
        "nothing", description="which notes a user sees who signs in for the first time"
    )


class MonitorSettings(SettingsGroup):
    """What `python -m pipeline.monitor` looks at and keeps."""

    interval_seconds: float = Field(15.0, ge=1, le=3600, description="between two looks")
    keep_mib: int = Field(64, ge=1, le=10_000, description="size of all kept samples together at most")
    keep_days: int = Field(30, ge=1, le=3650, description="age of a kept sample at most")
    service_url: HttpUrl = Field(
        "", description="the service to watch, for example http://127.0.0.1:8010; empty: none"
    )
    service_key: SecretStr = Field(
        SecretStr(""), description="API key with the scope read-metrics: then its counters are read as well"
    )
    dcgm_url: HttpUrl = Field(
        "",
        description="metrics page of NVIDIA's dcgm-exporter, for example http://127.0.0.1:9400/metrics; "
        "empty: ask the program dcgmi where it is installed",
    )
    host_state_file: Path = Field(
        Path("/run/chartwell-state/host.json"),
        description="what only root may ask, written by the host's own timer; absent: docker is asked directly",
    )
    metrics_textfile: Annotated[Path | None, BeforeValidator(_unset)] = Field(
        None, description="also write metrics here, for the textfile collector of node_exporter"
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="also serve metrics on this port of 127.0.0.1; 0: no"
    )


class CostSettings(SettingsGroup):
    """What the machine and hosted models cost. A deployment sets the first five; unset is unknown, never guessed."""

    running_usd_per_hour: Price = Field(
        None, description="everything that bills while the host runs, a share of the month included"
    )
    paused_usd_per_hour: Price = Field(None, description="what still bills while it is paused")
    gpus: int = Field(0, ge=0, description="GPU cards of the host")
    plan: str = Field("", description="what these prices are of: instance/market/region/pause mode")
    prices_as_of: str = Field("", description="month of the price list they come from")
    prompt_usd_per_million: Price = Field(None, description="hosted generator: a million tokens read")
    completion_usd_per_million: Price = Field(None, description="hosted generator: a million tokens written")
    embedding_usd_per_million: Price = Field(None, description="hosted embedder: a million tokens")
    token_prices_from: str = Field("", description="where the token prices come from, with their date")


class Settings(BaseSettings):
    """All settings. `load_settings()` is the way to get one."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(
        Path("chartwell-data"), description="folder of the store, the ledger and the reports; local disk"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning",
        description="of the JSON log lines on standard error; they never hold note or question text",
    )
    store: StoreSettings = StoreSettings()
    iris: IrisSettings = IrisSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    generator: GeneratorSettings = GeneratorSettings()
    ranker: RankerSettings = RankerSettings()
    image_embedder: ImageEmbedderSettings = ImageEmbedderSettings()
    vision: VisionSettings = VisionSettings()
    image_reading: ImageReadingSettings = ImageReadingSettings()
    deidentification: DeidentificationSettings = DeidentificationSettings()
    library: LibrarySettings = LibrarySettings()
    bedrock: BedrockSettings = BedrockSettings()
    transport: TransportSettings = TransportSettings()
    indexing: IndexingSettings = IndexingSettings()
    answering: AnsweringSettings = AnsweringSettings()
    checks: ChecksSettings = ChecksSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    service: ServiceSettings = ServiceSettings()
    oidc: OidcSettings = OidcSettings()
    monitor: MonitorSettings = MonitorSettings()
    cost: CostSettings = CostSettings()


def load_settings(
    env_file: Path | None = Path(".env"), *, stack: str | None = None, **given: Any
) -> Settings:
    """Settings from the environment over `env_file` over the defaults; `given` (a command's options) wins over all.

    With `stack`, what that deployed stack says of itself wins over the environment. Raises SettingsInvalid, which
    names every wrong or unknown variable in one error.
    """
    if stack:
        given = _of_stack(stack, given)
    file = _readable(env_file)
    unknown = list(_unknown_variables(file))
    try:
        settings = Settings(_env_file=file, **given)
    except ValidationError as error:
        raise _invalid([*_problems(error, file), *unknown]) from None
    if unknown:
        raise _invalid(unknown)
    return settings


def _readable(env_file: Path | None) -> Path | None:
    """The file where there is one. Raises SettingsInvalid where it cannot be read: to go on without it would be to work
    with other settings than those that stand in it."""
    try:
        if env_file is None or not env_file.is_file():
            return None
        env_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsInvalid(
            f"{env_file} cannot be read ({why}).",
            remedy="Save it as UTF-8, and give this user permission to read it.",
        ) from None
    return env_file


def _of_stack(stack: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a stack as nested fields, `given` over them."""
    found = stack_variables(stack)
    if unknown := sorted(set(found) - {variable for variable, _, _ in variables()}):
        raise SettingsInvalid(
            f"Stack {stack} sets what this version does not know: {', '.join(unknown)}.",
            remedy="Use the checkout that made the stack, or run pulumi up with this one.",
        )
    fields: dict[str, Any] = {}
    for variable, value in found.items():
        group, _, field = variable.removeprefix(PREFIX).lower().partition(NESTED)
        if field:
            fields.setdefault(group, {})[field] = value
        else:
            fields[group] = value
    for name, value in given.items():
        fields[name] = {**fields.get(name, {}), **value} if isinstance(value, dict) else value
    return fields


def _invalid(problems: list[str]) -> SettingsInvalid:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    number = "One setting is wrong" if len(problems) == 1 else f"{len(problems)} settings are wrong"
    return SettingsInvalid(
        f"{number}:\n{lines}\n",
        remedy="Correct the environment or .env; .env.example explains every variable.",
    )


def _problems(error: ValidationError, file: Path | None) -> Iterator[str]:
    in_file = set(dotenv_values(file)) if file else set()
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        variable = PREFIX + NESTED.join(path).upper()
        where = (
            "environment" if variable in os.environ else str(file) if variable in in_file else "command line"
        )
        field = _field(path)
        secret = field is not None and field.annotation is SecretStr
        found = "(hidden)" if secret else repr(problem["input"])
        message = str(problem["msg"]).removeprefix("Value error, ")
        yield f"{variable} in the {where} is {found}; expected: {message}"


def _field(path: list[str]) -> FieldInfo | None:
    fields: Mapping[str, FieldInfo] = Settings.model_fields
    found: FieldInfo | None = None
    for part in path:
        found = fields.get(part)
        annotation = found.annotation if found else None
        fields = (
            annotation.model_fields
            if isinstance(annotation, type) and issubclass(annotation, BaseModel)
            else {}
        )
    return found


def _unknown_variables(file: Path | None) -> Iterator[str]:
    known = {variable for variable, _, _ in variables()}
    groups = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted({*os.environ, *(dotenv_values(file) if file else ())}):
        if name.startswith(PREFIX) and name not in known and name not in groups:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see .env.example for those there are"
            yield f"{name} is no setting; {hint}"


def variables() -> Iterator[tuple[str, FieldInfo, str]]:
    """Every variable with its field and the group it belongs to ("" for none), in the order of this file."""
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for inner, inner_field in annotation.model_fields.items():
                yield f"{PREFIX}{name.upper()}{NESTED}{inner.upper()}", inner_field, name
        else:
            yield f"{PREFIX}{name.upper()}", field, ""


def as_environment(settings: Settings) -> dict[str, str]:
    """`settings` as the variables that give them, for a process of our own. Values may be secret: into its
    environment with them, never onto a command line."""
    found: dict[str, str] = {}
    for variable, _, group in variables():
        name = variable.removeprefix(PREFIX).lower().removeprefix(f"{group}{NESTED}" if group else "")
        value = getattr(getattr(settings, group) if group else settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if value is not None:
            text = json.dumps(value) if isinstance(value, (dict, list, tuple)) else str(value)
            found[variable] = text
    return found


def reference() -> str:
    """The text of `.env.example`: every variable with its meaning, its choices and its default."""
    lines = [
        "# Every setting of Chartwell. Copy to .env and change what differs; the environment wins over .env.",
        "# Generated from pipeline/config.py by `make docs`. Do not edit.",
    ]
    group = None
    for variable, field, name in variables():
        if name != group:
            group = name
            annotation = Settings.model_fields[name].annotation if name else None
            lines += ["", f"# --- {(annotation.__doc__ or '').strip() if annotation else 'General'}"]
        lines.append(f"# {field.description}{_choices(field)}")
        lines.append(f"# {variable}={_default(field)}")
    return "\n".join(lines) + "\n"


def _choices(field: FieldInfo) -> str:
    values = [str(value) for value in get_args(field.annotation) if isinstance(value, str)]
    return f" [{' | '.join(values)}]" if values else ""


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, SecretStr) or field.default is None:
        return ""
    return str(field.default)


if __name__ == "__main__":
    sys.stdout.write(reference())
