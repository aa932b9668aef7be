"""Chooses the back-ends that the settings name. The only module that knows them all; each is imported when used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.answering.images.deferred_embedder import DeferredImageEmbedder, require_image_embedder
from pipeline.config import Settings
from pipeline.embedding_spaces import in_use, serving, serving_settings, writing
from pipeline.errors import InputUnusable, StoreMissing, UnreadableImage
from pipeline.imaging.files import ImageFile
from pipeline.indexing.commit import Committer
from pipeline.indexing.images.material import ImageMaterial, settings_in_words
from pipeline.indexing.images.originals import Originals
from pipeline.indexing.images.stored_pictures import StoredPictures
from pipeline.indexing.ledger import SqliteLedger, is_there
from pipeline.indexing.vector_cache import SqliteVectorCache
from pipeline.ports import (
    Answerer,
    Embedder,
    Generator,
    ImageEmbedder,
    ImageStore,
    Ledger,
    Ranker,
    Store,
    VisionModel,
)
from pipeline.records import AnswerEvent, AskedImage, MaterialKind, Question, SearchResult
from pipeline.storage.sqlite import Database, was_never_written
from pipeline.telemetry.setup import SILENT, Telemetry

if TYPE_CHECKING:
    from pipeline.backends.bucket import OriginalBucket
    from pipeline.imaging.reading_pool import ReadingPool
    from pipeline.library.library import Library
    from pipeline.library.reading.pool import DocumentReaders

STORE_FILE = "chartwell.sqlite"
LEDGER_FILE = "ledger.sqlite"
SPOOL_FILE = "spool.sqlite"
STORE_FILES = (STORE_FILE, LEDGER_FILE, SPOOL_FILE)
"""All that a space keeps in its folder; SQLite's own files next to them begin with the same names."""


@dataclass(frozen=True)
class Corpus:
    """What an indexing run needs. `ledger` and `store` share a database where the store is embedded."""

    embedder: Embedder
    store: Store
    ledger: Ledger
    vector_cache: SqliteVectorCache | None = None
    """None where the store commits vectors with the ledger, and the embedder has one request at a time."""
    image_ledger: Ledger | None = None
    """Of the images next to the notes; its tables are made by whoever indexes or copies images."""
    originals: Originals | None = None
    """The files of those images."""

    def start_over(self) -> None:
        """Forget every note, vector and state, so that the next run embeds everything again."""
        self.ledger.prepare()
        with self.ledger.storing():
            # First: a separate store empties group by group, and what a cut leaves behind must not count as done.
            self.ledger.forget_all()
            self.store.clear()
        if self.vector_cache is not None:
            self.vector_cache.forget()


@dataclass(frozen=True)
class ImageCorpus:
    """What an indexing run over images needs. `notes`: the store that the images are next to."""

    embedder: ImageEmbedder
    images: ImageStore
    notes: Store
    ledger: Ledger
    vector_cache: SqliteVectorCache
    material: ImageMaterial

    def start_over(self) -> None:
        """Forget every image, vector and state; notes stay."""
        self.ledger.prepare()
        with self.ledger.storing():
            self.ledger.forget_all()
            self.images.clear()
        self.vector_cache.forget()


@dataclass(frozen=True)
class AnsweringSpace:
    """What answers in one space: an Answerer, and the ports below it for code that reads a note or asks how they
    are."""

    answerer: Answerer
    embedder: Embedder
    store: Store
    generator: Generator
    images: ImageStore | None = None
    """The images next to the notes; None where no one asks for them."""
    image_embedder: ImageEmbedder | None = None
    """None where the settings name none."""
    originals: Originals | None = None
    """The files of the images; None where no one asks for them."""

    def search(self, question: Question) -> SearchResult:
        return self.answerer.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        """A generator, whatever iterator the outermost wrapper gives: it can always be closed."""
        yield from self.answerer.stream(question)


def compose_answerer(
    embedder: Embedder,
    store: Store,
    generator: Generator,
    settings: Settings,
    telemetry: Telemetry = SILENT,
    images: ImageStore | None = None,
    image_embedder: ImageEmbedder | None = None,
    pictures: StoredPictures | None = None,
) -> Answerer:
    """The flow over these ports, and what stands around it, one line a wrapper, the outermost last. `images`: those
    next to the notes, where questions may be about them; `pictures`: of them, where a model may look at some."""
    from pipeline.answering.carried_words import CarriedWords
    from pipeline.answering.flow import Answering, InnerAnswerer
    from pipeline.answering.images.image_answering import ImageAnswering
    from pipeline.answering.plan_proposal import PlanProposal
    from pipeline.answering.shapes.shaped_answering import ShapedAnswering
    from pipeline.answering.shapes.shapes import SHAPES, WITH_A_MODEL
    from pipeline.answering.shapes.worded_answering import WordedAnswering
    from pipeline.answering.understood_answering import UnderstoodAnswering

    ranker = open_ranker(settings)
    plain = Answering(embedder, store, generator, settings.answering, ranker=ranker, images=images)
    inside: InnerAnswerer = CarriedWords(plain)
    patients_max = settings.answering.patients_asked_max
    with_a_model = generator.model.provider != "extractive"
    shaped = ShapedAnswering(inside, store, embedder, WITH_A_MODEL if with_a_model else SHAPES)
    worded = WordedAnswering(inside, shaped, plain, patients_max)
    inside = worded if with_a_model and patients_max > 0 else shaped
    if images is not None:
        inside = ImageAnswering(inside, store, embedder, images, image_embedder, reads_passages=with_a_model)
    answerer: Answerer = UnderstoodAnswering(inside, store)
    if settings.answering.plan_by_model and with_a_model:
        answerer = PlanProposal(answerer, generator, store)
    if vision := open_vision_model(settings):
        from pipeline.answering.images.vision_answering import VisionAnswering

        picture_of = pictures.picture if pictures else None
        answerer = VisionAnswering(answerer, vision, store, settings.vision.films_max, picture_of)
    return telemetry.answerer(answerer, embedder.space.id)


@contextmanager
def open_corpus(settings: Settings) -> Iterator[Corpus]:
    """Embedder, store, ledger and vector cache of the space that serves; closed on leaving."""
    with serving(settings) as chosen, open_space(chosen) as corpus:
        yield corpus


@contextmanager
def open_space(settings: Settings) -> Iterator[Corpus]:
    """The same of exactly the space that these settings name, whichever serves."""
    embedder = open_embedder(settings)
    with ExitStack() as stack:
        stack.enter_context(in_use(settings.data_dir))
        database = stack.enter_context(closing(ledger_database(settings)))
        store = stack.enter_context(closing(open_store(settings, database)))
        vector_cache = None
        if settings.store.kind != "embedded" or embedder.calls_at_once > 1:
            vector_cache = SqliteVectorCache(
                stack.enter_context(closing(Database(settings.data_dir / SPOOL_FILE))), embedder.space
            )
        ledgers = open_ledger(settings, database), open_ledger(settings, database, "images")
        originals = Originals(ledgers[1], lambda: ledger_is_there(database, "images"))
        yield Corpus(embedder, store, ledgers[0], vector_cache, ledgers[1], originals)


@contextmanager
def open_image_corpus(settings: Settings) -> Iterator[ImageCorpus]:
    """The images next to the notes of the space that serves, and what reads and embeds them; closed on leaving. Raises
    SettingsInvalid where no image embedder is set."""
    with serving(settings) as chosen, ExitStack() as stack:
        stack.enter_context(in_use(chosen.data_dir))
        embedder = _image_embedder(chosen)
        database = stack.enter_context(closing(ledger_database(chosen)))
        notes = stack.enter_context(closing(open_store(chosen, database)))
        notes.prepare(notes.space() or open_embedder(chosen).space)
        images = open_image_store(notes)
        ledger = open_ledger(chosen, database, "images")
        spool = stack.enter_context(closing(Database(chosen.data_dir / SPOOL_FILE)))
        material = ImageMaterial(
            embedder,
            images,
            ledger,
            stack.enter_context(open_image_preparation(settings)),
            prepared_as=_prepared_as(settings, embedder),
            cleaned_as=settings_in_words(settings.deidentification, settings.image_reading),
        )
        yield ImageCorpus(embedder, images, notes, ledger, SqliteVectorCache(spool, embedder.space), material)


def prepare_asked_image(
    source: Path | bytes, settings: Settings, pool: ReadingPool | None = None
) -> AskedImage:
    """An image to ask with, read, cleaned and refused as one that is indexed. `source`: the file, or its bytes, which
    are written nowhere; `pool`: what reads it, where there is one already. Raises UnreadableImage where it is not
    taken, SettingsInvalid where the libraries or an image embedder are missing."""
    file = ImageFile(source) if isinstance(source, Path) else ImageFile(Path("image"), content=source)
    if pool is None:
        single = settings.image_reading.model_copy(update={"processes": 1})
        with open_image_preparation(settings.model_copy(update={"image_reading": single})) as preparation:
            outcome = preparation.submit(file).result()
    else:
        outcome = pool.submit(file).result()
    if isinstance(outcome, UnreadableImage):
        raise outcome
    description = outcome.description
    return AskedImage(
        content=outcome.content,
        # Where headers have another archive's ids, they say nothing of the notes' patients.
        patient_id=description.patient_id if settings.image_reading.patient_from == "both" else "",
        modality=description.modality,
        body_part=description.body_part,
        content_hash=description.content_hash,
        date=description.date,
    )


def _prepared_as(settings: Settings, embedder: ImageEmbedder) -> str:
    """What of the settings moves the pixels that a model is given: kept vectors are found by it."""
    text = settings.deidentification
    looked_for = f"{text.pixel_text_modalities}, {text.pixel_text_sample:g}, {text.without_ocr}"
    return f"{_image_side(settings, embedder)} pixels, text {text.pixel_text}: {looked_for}"


def _image_embedder(settings: Settings) -> ImageEmbedder:
    return require_image_embedder(open_image_embedder(settings))


def _image_side(settings: Settings, embedder: ImageEmbedder) -> int:
    from pipeline.imaging.preparation import SIDE_MIN

    return max(SIDE_MIN, min(settings.image_reading.side, embedder.image_side))


@contextmanager
def open_image_preparation(settings: Settings) -> Iterator[ReadingPool]:
    """Processes that read, clean and prepare images as the settings say. None is started before it is needed. Raises
    SettingsInvalid where no image embedder is set."""
    from pipeline.imaging.libraries import load_libraries

    load_libraries()
    with _open_reading_pool(settings, _image_side(settings, _image_embedder(settings))) as pool:
        yield pool


@contextmanager
def open_image_viewing(settings: Settings, processes: int) -> Iterator[ReadingPool]:
    """So many processes that show images to people, and prepare those that they ask with; an image embedder need not
    be set. Raises SettingsInvalid where the libraries are missing."""
    from pipeline.imaging.libraries import require_libraries

    require_libraries()
    embedder = open_image_embedder(settings)
    side = settings.image_reading.side if embedder is None else _image_side(settings, embedder)
    few = settings.image_reading.model_copy(update={"processes": processes})
    with _open_reading_pool(settings.model_copy(update={"image_reading": few}), side) as pool:
        yield pool


@contextmanager
def _open_reading_pool(settings: Settings, side: int) -> Iterator[ReadingPool]:
    from pipeline.imaging.decoding import DecodingOptions
    from pipeline.imaging.deidentification.deidentifier import Deidentifier
    from pipeline.imaging.deidentification.key import open_key
    from pipeline.imaging.limits import ImageLimits
    from pipeline.imaging.reading import ReadingOptions
    from pipeline.imaging.reading_pool import PoolOptions, ReadingPool

    cleaning, reading = settings.deidentification, settings.image_reading
    deidentifier = Deidentifier(open_key(settings.data_dir, cleaning.key_file), cleaning)
    options = PoolOptions(
        ReadingOptions(
            deidentifier,
            DecodingOptions(limits=ImageLimits(pixels_max=reading.pixels_max)),
            reading.patient_from,
        ),
        side=side,
        processes=reading.processes,
        seconds_max=reading.seconds_max,
        memory_bytes_max=reading.memory_mib_max * 2**20,
    )
    with ReadingPool(options) as pool:
        yield pool


@contextmanager
def open_library(settings: Settings) -> Iterator[Library]:
    """The documents of the library, with their originals where the settings keep them; made where there is none.

    Raises SettingsInvalid where a bucket is set that cannot be used."""
    from pipeline.library import library

    scratch = library.library_folder(settings.data_dir) / "arriving"
    with library.open_library(settings.data_dir, _original_bucket(settings, scratch)) as opened:
        yield opened


def _original_bucket(settings: Settings, scratch: Path) -> OriginalBucket | None:
    if settings.library.originals == "folder":
        return None
    from pipeline.backends.bucket import library_bucket

    return library_bucket(settings.library, scratch)


@contextmanager
def open_removal(settings: Settings) -> Iterator[Callable[[Sequence[str]], int]]:
    """What takes notes out of the store that serves and out of its ledger together, by their ids. No other store comes
    to serve meanwhile, in which they would still be."""
    with ExitStack() as stack:
        stack.enter_context(writing(settings.data_dir))
        chosen = serving_settings(settings)
        stack.enter_context(in_use(chosen.data_dir))
        database = stack.enter_context(closing(ledger_database(chosen)))
        store = stack.enter_context(closing(open_store(chosen, database)))
        ledger = open_ledger(chosen, database)
        ledger.prepare()
        yield Committer(store, ledger, chosen.indexing.store_patience_seconds, lambda: False).remove


@contextmanager
def open_document_readers(settings: Settings, processes: int = 1) -> Iterator[DocumentReaders]:
    """So many processes that read documents. Raises SettingsInvalid where the libraries are missing."""
    from pipeline.library.reading.options import DocumentReadingOptions
    from pipeline.library.reading.pool import DocumentReaders

    with DocumentReaders(DocumentReadingOptions(), processes=processes) as readers:
        yield readers


def ledger_is_there(database: Database, kind: MaterialKind = "notes") -> bool:
    """Whether an indexing run ever began here. A store without one is left by a question that only tried it."""
    return is_there(database, kind)


def open_ledger(settings: Settings, database: Database, kind: MaterialKind = "notes") -> Ledger:
    """The ledger. It keeps the notes where the store is another database, which may have to be repaired from here."""
    separate = settings.store.kind != "embedded"
    return SqliteLedger(
        database, lease_seconds=settings.indexing.lease_seconds, keep_notes=separate, kind=kind
    )


def ledger_database(settings: Settings) -> Database:
    embedded = settings.store.kind == "embedded"
    return Database(settings.data_dir / (STORE_FILE if embedded else LEDGER_FILE))


def open_store(settings: Settings, database: Database | None = None) -> Store:
    """The store; an embedded one in `database` where that is given."""
    if settings.store.kind == "iris":
        from pipeline.backends.iris.store import IrisStore

        return IrisStore(settings.iris)
    from pipeline.backends.embedded.store import EmbeddedStore

    return EmbeddedStore(database or ledger_database(settings), settings.store)


def open_image_store(store: Store) -> ImageStore:
    """The images next to the notes of a store that `open_store` opened: the same file or schema, and transactions."""
    from pipeline.backends.embedded.store import EmbeddedStore

    if isinstance(store, EmbeddedStore):
        return store.images()
    from pipeline.backends.iris.store import IrisStore

    assert isinstance(store, IrisStore)
    return store.images()


def require_store(settings: Settings, *, ledger: bool = False) -> None:
    """For commands that make no store. Raises StoreMissing where the space that serves has no file of ours, or an empty
    one; `ledger`: also where the store itself is another database."""
    path = ledger_database(serving_settings(settings)).path
    if not ledger and settings.store.kind != "embedded":
        return
    if not path.is_file() or was_never_written(path):
        raise StoreMissing(
            f"There is no store here: {path.absolute()} {'is empty' if path.is_file() else 'does not exist'}.",
            remedy="Run this in the folder where the notes were indexed, or set CHARTWELL_DATA_DIR to its whole path; "
            "or index notes first: python -m pipeline.vectorize notes FILE",
        )


def remove_tables(settings: Settings) -> None:
    """Remove the tables of a store that is no file of ours, with the images: whoever asks for it has copied them."""
    if settings.store.kind == "iris":
        from pipeline.backends.iris.store import IrisStore

        with closing(IrisStore(settings.iris)) as store:
            store.images().clear()
            store.drop()


def open_embedder(settings: Settings) -> Embedder:
    match settings.embedder.provider:
        case "local":
            from pipeline.backends.local.onnx_embedder import LocalEmbedder

            return LocalEmbedder(settings.embedder)
        case "hashing":
            from pipeline.backends.local.hashing import HashingEmbedder

            return HashingEmbedder(settings.embedder)
        case "nim":
            from pipeline.backends.nim import NimEmbedder

            return NimEmbedder(settings.embedder, settings.transport)
        case "openai":
            from pipeline.backends.openai_compatible import OpenAIEmbedder

            return OpenAIEmbedder(settings.embedder, settings.transport)
        case "bedrock":
            from pipeline.backends.bedrock import BedrockEmbedder

            return BedrockEmbedder(settings.embedder, settings.bedrock, settings.transport)


@dataclass(frozen=True, slots=True)
class LocalModelState:
    """A local embedding model, and whether its file is here and whole."""

    name: str
    id: str
    sha256: str
    file_bytes: int
    dimension: int
    tokens_max: int
    similarity_floor: float
    licence: str
    here: bool


def local_models(settings: Settings) -> list[LocalModelState]:
    """The models of the local provider; the first is what runs where nothing is said."""
    from pipeline.backends.local import model_catalog, model_files

    return [
        LocalModelState(
            model.name,
            model.id,
            model.sha256,
            model.file_bytes,
            model.dimension,
            model.tokens_max,
            model.similarity_floor,
            model.licence,
            model_files.is_here(model, settings.embedder),
        )
        for model in model_catalog.MODELS
    ]


def fetch_model(name: str, folder: Path, mirror: str = "") -> Path:
    """Download the file of a local model into `folder`. Raises ModelFileError; InputUnusable for no known name."""
    from pipeline.backends.local import model_catalog, model_download

    model = model_catalog.model_called(name)
    if model is None or not name:
        known = ", ".join(model.name for model in model_catalog.MODELS)
        raise InputUnusable(f"{name!r} is no local model.", remedy=f"Name one of {known}.")
    return model_download.fetch(model, folder, mirror)


def open_generator(settings: Settings, embedder: Embedder) -> Generator:
    match settings.generator.provider:
        case "extractive":
            from pipeline.backends.local.extractive import ExtractiveGenerator

            return ExtractiveGenerator(embedder, settings.generator)
        case "gguf":
            from pipeline.backends.local.gguf import GgufGenerator

            return GgufGenerator(settings.generator)
        case "nim":
            from pipeline.backends.nim import NimGenerator

            return NimGenerator(settings.generator, settings.transport)
        case "openai":
            from pipeline.backends.openai_compatible import OpenAIGenerator

            return OpenAIGenerator(settings.generator, settings.transport)
        case "bedrock":
            from pipeline.backends.bedrock import BedrockGenerator

            return BedrockGenerator(settings.generator, settings.bedrock, settings.transport)


def open_ranker(settings: Settings) -> Ranker | None:
    """None where passages stand as retrieval ordered them."""
    if settings.ranker.provider == "none":
        return None
    from pipeline.backends.nim import ranker

    return ranker(settings.ranker, settings.transport)


def open_image_embedder(settings: Settings) -> ImageEmbedder | None:
    """None where the settings name no image model. `ImageEmbedder.reads_texts` says whether words find images by it."""
    match settings.image_embedder.provider:
        case "none":
            return None
        case "local":
            from pipeline.backends.local.image_embedder import LocalImageEmbedder

            return LocalImageEmbedder(settings.image_embedder)
        case "nim":
            from pipeline.backends.nim import image_embedder

            return image_embedder(settings.image_embedder, settings.transport)
        case "bedrock":
            from pipeline.backends.bedrock import BedrockImageEmbedder

            return BedrockImageEmbedder(settings.image_embedder, settings.bedrock, settings.transport)


def open_stored_pictures(
    settings: Settings, images: ImageStore, originals: Originals | None
) -> StoredPictures | None:
    """None where no model reads pixels, or stored ones are not shown to it. Starts no process."""
    vision = settings.vision
    if originals is None or vision.provider == "none" or not vision.films_max:
        return None
    return StoredPictures(images, originals, lambda: open_image_viewing(settings, processes=1))


def open_vision_model(settings: Settings) -> VisionModel | None:
    """None where no model reads pixels."""
    from pipeline.answering.model_output import whole_answer

    match settings.vision.provider:
        case "none":
            return None
        case "nim":
            from pipeline.backends import nim

            return nim.vision_model(settings.vision, settings.transport, whole_answer)
        case "openai":
            from pipeline.backends import openai_compatible

            return openai_compatible.vision_model(settings.vision, settings.transport, whole_answer)


def image_embedder_when_asked(settings: Settings) -> ImageEmbedder | None:
    """As `open_image_embedder`, for whoever answers: most questions need none, and none is refused for its settings."""
    if settings.image_embedder.provider == "none":
        return None
    return DeferredImageEmbedder(lambda: _image_embedder(settings))


def generator_needs_embedder(settings: Settings) -> bool:
    """Whether the generator changes with the embedding space."""
    return settings.generator.provider == "extractive"
