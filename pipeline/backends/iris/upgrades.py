"""What later releases changed about the tables in IRIS, as numbered steps.

Tables are created at the newest version (the `create_` statements of store.sql); these bring up older ones. IRIS
does not take back a change of a table, so each step looks at what is there and may be taken again after a cut, or
while another process takes it; its number is recorded once it is whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Literal

from pipeline.backends.iris.connections import Session, SqlValue
from pipeline.backends.iris.errors import (
    COLUMN_EXISTS,
    CONSTRAINT_MISSING,
    INDEX_EXISTS,
    TABLE_EXISTS,
    TABLE_MISSING,
    UNIQUE,
    IrisRefusal,
)
from pipeline.storage.schema_upgrades import Upgrades

STORE = "store"
"""The component whose versions are kept."""
LOCATORS_SINCE = 2
"""From this version on a chunk has a column for its place on a page or in an image. In older tables all is text."""
CORPUS_VERSION_SINCE = 4
REGISTER_SINCE = 5
"""From this version on there is a register of patients, and a note has a column for what its source says of them."""
IMAGES_SINCE = 6
"""From this version on there is a table of thumbnails. That of images comes with the first image: it needs a width."""
REGISTER_TABLES = ("create_patient_register", "create_patient_facts", "create_patient_name_words")
REGISTER_INDEXES = (
    "create_index_facts_resource",
    "create_index_facts_patient",
    "create_index_name_words_resource",
    "create_index_name_words",
    "create_index_name_sounds",
)


def m0002_locators(session: Session) -> None:
    """A new column, NULL for the passages that are there: they are characters."""
    if "locator" not in {str(row[0]).lower() for row in session.rows("columns")}:
        define(session, "upgrade_locators", tolerate=COLUMN_EXISTS)


def m0003_without_images(session: Session) -> None:
    """The first schema had a table for images that nothing filled. It goes where it is empty. Rows that someone put
    there stay, and keep no note from being removed."""
    if image_table(session) == "first schema":
        define(session, "upgrade_part_with_images", tolerate=CONSTRAINT_MISSING + TABLE_MISSING)
    if _has_no_images(session):
        define(session, "upgrade_drop_images", tolerate=TABLE_MISSING)


def m0004_corpus_version(session: Session) -> None:
    """What a cache of answers is keyed by."""
    define(session, "create_corpus_version", tolerate=TABLE_EXISTS)
    begin_corpus_version(session)


def m0005_patient_register(session: Session) -> None:
    """Empty tables, and how many notes are to be read into them, which `prepare` does, a few at a time."""
    if "sourcepatient" not in {str(row[0]).lower() for row in session.rows("columns_of_notes")}:
        define(session, "upgrade_source_patient", tolerate=COLUMN_EXISTS)
    for name in REGISTER_TABLES:
        define(session, name, tolerate=TABLE_EXISTS)
    for name in REGISTER_INDEXES:
        define(session, name, tolerate=INDEX_EXISTS)
    newest = session.rows("newest_note")[0][0]
    insert_unless_there(session, "insert_unread", (int(newest or 0), STORE))


def m0006_images(session: Session) -> None:
    """The table of thumbnails. An earlier release is kept from tables in which there may be images from now on."""
    define(session, "create_medical_image_thumbnails", tolerate=TABLE_EXISTS)


UPGRADES: Upgrades[Session] = Upgrades(
    m0002_locators, m0003_without_images, m0004_corpus_version, m0005_patient_register, m0006_images
)


def _has_no_images(session: Session) -> bool:
    """Whether the table of the first schema is there and empty; another process may drop it meanwhile."""
    try:
        return image_table(session) == "first schema" and not session.count("count_images")
    except IrisRefusal as refusal:
        if refusal.code not in TABLE_MISSING:
            raise
        return False


def image_table(session: Session) -> Literal["none", "first schema", "ours"]:
    """Which table of images is there. That of the first schema kept no hash of a file's content."""
    columns = {str(row[0]).lower() for row in session.rows("columns_of_images")}
    if not columns:
        return "none"
    return "ours" if "contenthash" in columns else "first schema"


def begin_corpus_version(session: Session) -> None:
    insert_unless_there(session, "insert_corpus_version", (uuid.uuid4().hex, STORE))


def begin_register(session: Session) -> None:
    """Of tables without notes."""
    insert_unless_there(session, "insert_unread", (0, STORE))


def insert_unless_there(session: Session, name: str, row: Sequence[SqlValue]) -> None:
    """Another process may have been first; then its row stands. Commits."""
    try:
        session.execute(name, row)
    except IrisRefusal as refusal:
        if refusal.code != UNIQUE:
            raise
    session.commit()


def define(session: Session, name: str, tolerate: tuple[int, ...] = (), **parts: str) -> None:
    """Change a table, and commit."""
    try:
        session.execute(name, (), **parts)
    except IrisRefusal as refusal:
        if refusal.code not in tolerate:
            raise
    session.commit()
