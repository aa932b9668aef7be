"""Every statement that the code asks for is in its file and every one there is asked for; what both stores do has one
name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from pipeline.storage.named_sql import Statements

ROOT = Path(__file__).resolve().parents[2] / "pipeline"
FILES = sorted(ROOT.rglob("*.sql"))
STORES = {name: Statements(ROOT / "backends" / name / "store.sql") for name in ("embedded", "iris")}
HOLDERS = {"_SQL", "_sql", "sql", "statements"}
BY_PREFIX = ("create_", "drop_")
"""Sent one after the other, whatever they are called."""
ASKS = {
    "rows",
    "rows_in",
    "execute",
    "execute_in",
    "insert_many",
    "count",
    "define",
    "_insert",
    "_scan",
    "insert_unless_there",
}
"""Methods of the store in IRIS and its sessions that take the name of a statement."""
SAME = {
    "admit_document_types", "admit_domains", "admit_patient_ids", "admit_since", "admit_undated", "admit_until",
    "chunks_of_notes", "chunks_with", "corpus_version",
    "notes_of_patient", "words_in_names",
    "count_chunks", "count_chunks_admitted", "count_notes", "count_notes_admitted",
    "create_clinical_note_vectors", "create_clinical_notes", "create_corpus_version", "create_embedding_space",
    "create_index_date",
    "create_index_document_type", "create_index_domain", "create_index_patient", "create_index_resource",
    "create_schema_version", "delete_chunks_of_notes", "delete_notes", "document", "drop_clinical_note_vectors",
    "drop_clinical_notes", "drop_embedding_space", "hits", "insert_chunk", "insert_schema_version", "insert_space",
    "schema_version", "search_words", "space", "update_schema_version", "update_space",
    "update_statistics", "upgrade_locators", "vectors_of_chunks",
    "create_patient_facts", "create_patient_name_words", "create_patient_register", "delete_facts", "delete_name_words",
    "drop_patient_facts", "drop_patient_name_words", "drop_patient_register", "facts_of_patients", "ids_of_patients",
    "insert_fact", "insert_name_word", "insert_unread", "notes_of_patients", "notes_up_to", "patients_with_sounds",
    "patients_with_words", "unread", "update_unread", "upgrade_source_patient",
}  # fmt: skip
"""What both stores do, each in its own dialect."""


@cache
def nodes(sql: Path) -> list[ast.AST]:
    """Of the modules that may ask for a file's statements: all next to it, where it is the only one there or a
    store's."""
    shared = sql.parent.name in STORES or len(list(sql.parent.glob("*.sql"))) == 1
    paths = sql.parent.glob("*.py") if shared else [sql.with_suffix(".py")]
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def there(sql: Path) -> set[str]:
    """The statements that these modules may ask for: a store's modules know all files of the store."""
    files = sql.parent.glob("*.sql") if sql.parent.name in STORES else [sql]
    return {name for file in files for name in Statements(file)}


def attributes(sql: Path) -> set[str]:
    """`_SQL.name`, `self._sql.name` and `statements.name`, but for what every mapping has."""
    found = {
        node.attr for node in nodes(sql) if isinstance(node, ast.Attribute) and holder(node.value) in HOLDERS
    }
    return found - {"items", "get", "values", "keys", "renamed"}


def holder(value: ast.expr) -> str:
    return value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""


def asked_by_name(sql: Path) -> set[str]:
    """The literal first (or, after the session, second) argument of the methods that take a statement's name."""
    return {
        text
        for node in nodes(sql)
        if isinstance(node, ast.Call) and holder(node.func) in ASKS
        for argument in node.args[:2]
        if isinstance(argument, ast.Constant)
        and isinstance(text := argument.value, str)
        and text.isidentifier()
    }


def mentioned(sql: Path) -> tuple[set[str], list[str]]:
    """(texts, patterns): every literal text, and every f-string as a pattern."""
    texts, patterns = set(), []
    for node in nodes(sql):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [
                re.escape(str(each.value)) if isinstance(each, ast.Constant) else r"\w+"
                for each in node.values
            ]
            if re.fullmatch(r"[a-z_]{4,}(?:\\w\+)?", parts[0]) and len(parts) == 2:
                patterns.append("".join(parts))
    return texts, patterns


@pytest.mark.parametrize("sql", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_statement_that_is_asked_for_is_there(sql: Path) -> None:
    asked = attributes(sql) | (asked_by_name(sql) if sql.parent == ROOT / "backends" / "iris" else set())
    assert asked
    assert asked - there(sql) == set()


@pytest.mark.parametrize("sql", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_statement_is_asked_for(sql: Path) -> None:
    texts, patterns = mentioned(sql)
    asked = attributes(sql) | texts
    idle = [
        name
        for name in Statements(sql)
        if name not in asked
        and not any(re.fullmatch(pattern, name) for pattern in patterns)
        and not (sql.parent.name in STORES and name.startswith(BY_PREFIX))
    ]
    assert idle == []


def test_the_stores_call_alike_what_is_alike() -> None:
    embedded, iris = (set(STORES[name]) for name in ("embedded", "iris"))
    assert embedded & iris == SAME
