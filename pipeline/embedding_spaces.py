"""Which embedding space serves, and where each space of these notes lives.

`serving.json` in the data folder says so, and is only ever replaced whole. Where it is missing, everything is where the
settings put it: no migration was ever begun. It holds what it takes to embed a question (provider, model, address,
width), never a key. This module opens no store and no embedder.

While a pointer exists it decides the embedder, not the environment: a process started with yesterday's environment must
not ask today's store. Keys, batch sizes and threads still come from the environment, and so do address and similarity
floor where it names the same provider and model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from pipeline.config import EmbedderSettings, Settings, SettingsGroup
from pipeline.errors import StoreDamaged
from pipeline.records import EmbeddingSpace
from pipeline.storage.locks import exclusive_lock, shared_lock
from pipeline.storage.sqlite import storage_errors

POINTER_FILE = "serving.json"
SPACES_FOLDER = "spaces"
WRITING_LOCK = ".writing"
IN_USE_LOCK = ".in-use"
CHANGING_LOCK = ".migrating"

Provider = Literal["local", "hashing", "nim", "openai", "bedrock"]


class SpaceLocation(SettingsGroup):
    """A space of these notes: what embeds for it, and where its store, ledger and kept vectors are."""

    space_id: str
    folder: str = Field(pattern=r"^(\.|spaces/[0-9a-f]{12})$")
    """Below the data folder; "." for the space that was there before any migration."""
    sql_schema: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    """IRIS: the schema of its tables."""
    provider: Provider
    model: str
    url: str = ""
    dimension: int
    tokens_max: int
    similarity_floor: float = -1.0

    def settings(self, base: Settings) -> Settings:
        """`base` for work in this space and no other."""
        given = base.embedder
        named = (given.provider, given.model) == (self.provider, self.model)
        embedder = given.model_copy(
            update={
                "provider": self.provider,
                "model": self.model,
                "dimension": self.dimension,
                "tokens_max": self.tokens_max,
                "url": given.url if named and given.url else self.url,
                "similarity_floor": given.similarity_floor if named else self.similarity_floor,
            }
        )
        return base.model_copy(
            update={
                "data_dir": base.data_dir / self.folder,
                "embedder": embedder,
                "iris": base.iris.model_copy(update={"sql_schema": self.sql_schema}),
            }
        )


class SpacePointer(SettingsGroup):
    """The whole content of `serving.json`."""

    version: Literal[1] = 1
    serving: SpaceLocation
    shadow: SpaceLocation | None = None
    """The space that a migration fills."""
    previous: tuple[SpaceLocation, ...] = ()
    """Spaces that served before, the latest first; kept until they are dropped."""

    @property
    def places(self) -> tuple[SpaceLocation, ...]:
        """Every space that may still be needed, each once."""
        named = (self.serving, *([self.shadow] if self.shadow else []), *self.previous)
        return tuple({place.space_id: place for place in named}.values())


def place_of(
    space: EmbeddingSpace, embedder: EmbedderSettings, *, folder: str, sql_schema: str
) -> SpaceLocation:
    """A place for `space`. Model, width and limit are the space's own: a default may change, a space may not."""
    return SpaceLocation(
        space_id=space.id,
        folder=folder,
        sql_schema=sql_schema,
        provider=embedder.provider,
        model=space.model,
        url=embedder.url,
        dimension=space.dimension,
        tokens_max=space.tokens_max,
        similarity_floor=embedder.similarity_floor,
    )


def digest_of(space: EmbeddingSpace) -> str:
    """The 12 hex digits that tell spaces apart."""
    return space.id.rpartition("/")[2]


def read_pointer(data_dir: Path) -> SpacePointer | None:
    """What `serving.json` says, None where there is none. Raises StoreDamaged where it is not what we write."""
    path = data_dir / POINTER_FILE
    with storage_errors(path):
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return SpacePointer.model_validate_json(text)
    except ValidationError as error:
        raise StoreDamaged(
            f"{path} is not a pointer to an embedding space ({error.error_count()} problems in it).",
            remedy="Restore it from a snapshot. Without the file, what lies directly in the data folder serves.",
        ) from error


def change_pointer(data_dir: Path, change: Callable[[SpacePointer | None], SpacePointer]) -> SpacePointer:
    """Replace `serving.json` by what `change` makes of it, on disk before this returns. One change at a time.

    A reader sees the old file or the new one, whatever is cut off when.
    """
    path = data_dir / POINTER_FILE
    with exclusive_lock(data_dir / CHANGING_LOCK, wait=True):
        pointer = change(read_pointer(data_dir))
        fresh = path.with_suffix(".json.new")
        with storage_errors(path):
            descriptor = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(pointer.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            _sync_folder(data_dir)
        return pointer


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def serving_settings(settings: Settings) -> Settings:
    """`settings` for the space that serves now."""
    pointer = read_pointer(settings.data_dir)
    return settings if pointer is None else pointer.serving.settings(settings)


@contextmanager
def serving(settings: Settings) -> Iterator[Settings]:
    """`serving_settings`, and no one removes that space while inside."""
    while True:
        chosen = serving_settings(settings)
        with in_use(chosen.data_dir):
            if serving_settings(settings) == chosen:  # else it may be gone: it was switched before we held it
                yield chosen
                return


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """This space is not removed while inside."""
    with shared_lock(folder / IN_USE_LOCK):
        yield


@contextmanager
def writing(data_dir: Path) -> Iterator[None]:
    """Writers of notes into the serving space write inside this, and open the space inside it as well. No switch
    happens meanwhile; while one happens this waits."""
    with shared_lock(data_dir / WRITING_LOCK):
        yield
