"""WordPiece must agree with the reference library token for token."""

from __future__ import annotations

import json
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.local import wordpiece
from pipeline.backends.local.wordpiece import CLS, PAD, SEP, UNKNOWN, WordPiece
from pipeline.errors import ModelFileError

tokenizers = pytest.importorskip("tokenizers", reason="the reference tokenizer is a development dependency")

RECLASSIFIED = {0x166D, 0x1734, 0x1885, 0x1886}
"""Code points that changed their Unicode category after the tables the reference was built with."""


@pytest.fixture(scope="module")
def ours() -> WordPiece:
    return WordPiece()


@pytest.fixture(scope="module")
def reference():
    """BERT's own pipeline without added tokens, so that a written "[SEP]" is text there too."""
    vocabulary = Path(wordpiece.__file__).parent / "vocabulary" / wordpiece.VOCABULARY
    tokens = vocabulary.read_text(encoding="utf-8").splitlines()
    model = tokenizers.models.WordPiece(
        {token: number for number, token in enumerate(tokens)},
        unk_token="[UNK]",
        max_input_chars_per_word=100,
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "Pt. c/o SOB x3d; BP 130/80mmHg, HbA1c 8.4% (↑), T=38.5°C.",
        "naïve café Ångström façade İstanbul ΣΊΣΥΦΟΣ straße ﬁbrosis",
        "患者は高血圧です。patient高血圧mixed",
        "한국어 ไทย עִבְרִית العربية हिन्दी",
        "a\x0bb c\x0cd e\x85f g\x1ch\u2028i\xa0j\u3000k\u200bl\ufeffm\x00n\ufffdo\xadp",
        "emoji 🫀🩺 flags 🇧🇷 zero‍width",
        "[CLS] [SEP] [MASK] [UNK] [PAD] ##ing",
        "x" * 100,
        "x" * 101,
        "-" * 300,
        "aé" * 80,
        "l’été d'hiver “quoted” – dash — em…",
        "e\u0301 a\u0308\u0323 \u0301alone",
        "µg ㎎ ½ ² ™ © ® ¥ € $ + < = > ^ ` | ~",
    ],
)
def test_hard_texts(ours: WordPiece, reference, text: str) -> None:
    assert ours.encode(text) == reference.encode(text).ids


@given(st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cs"]), max_size=80))
def test_any_latin_text(ours: WordPiece, reference, text: str) -> None:
    assert ours.encode(text) == reference.encode(text).ids


def test_every_character_of_unicode_3_2(ours: WordPiece, reference) -> None:
    """Younger characters depend on each library's Unicode tables; none of them is in the vocabulary."""
    characters = [
        f"x{chr(point)}y"
        for point in range(0x110000)
        if unicodedata.ucd_3_2_0.category(chr(point)) not in ("Cn", "Cs", "Co")
        and not (0xAC00 < point < 0xD7A3 or 0x20000 < point < 0x2A6D6)
        and point not in RECLASSIFIED
    ]
    expected = [encoding.ids for encoding in reference.encode_batch(characters)]
    wrong = [text for text, ids in zip(characters, expected, strict=True) if ours.encode(text) != ids]
    assert wrong == []


@pytest.mark.shared
def test_real_notes(ours: WordPiece, reference, shared_data: Path) -> None:
    texts = [
        value
        for name in (
            "notes/aci_bench.jsonl",
            "notes/synthea_notes.jsonl",
            "injection/prompts.jsonl",
            "qa/medquad.jsonl",
        )
        for line in (shared_data / name).read_text(encoding="utf-8").split("\n")[:400]
        if line
        for value in json.loads(line).values()
        if isinstance(value, str)
    ]
    expected = [encoding.ids for encoding in reference.encode_batch(texts)]
    assert [ours.encode(text) for text in texts] == expected
    assert ours.count(texts) == [len(ids) for ids in expected]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=6))
def test_counts_add_up_over_pieces_split_at_white_space(ours: WordPiece, pieces: list[str]) -> None:
    assert ours.count([" ".join(pieces)]) == [sum(ours.count(pieces))]


def test_special_tokens_have_the_ids_of_the_vocabulary() -> None:
    vocabulary = wordpiece._vocabulary()
    assert [vocabulary[number] for number in (PAD, UNKNOWN, CLS, SEP)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    assert len(vocabulary) == 30_522


def test_a_changed_vocabulary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "VOCABULARY_SHA256", "0" * 64)
    with pytest.raises(ModelFileError, match="SHA-256 07eced37"):
        WordPiece()


def test_a_full_cache_changes_no_result(monkeypatch: pytest.MonkeyPatch, ours: WordPiece) -> None:
    monkeypatch.setattr(wordpiece, "_CACHED_WORDS_MAX", 3)
    small = WordPiece()
    text = "seven quite different words overfill this cache twice overfill words"
    assert small.encode(text) == ours.encode(text)
    assert len(small._words) <= 3


def test_threads_share_one_tokenizer(ours: WordPiece, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "_CACHED_WORDS_MAX", 50)
    shared = WordPiece()
    texts = [f"word{n} beta-{n % 7} gamma{n * 31}" for n in range(2000)]
    expected = [ours.encode(text) for text in texts]
    wrong: list[str] = []

    def read() -> None:
        wrong.extend(t for t, ids in zip(texts, expected, strict=True) if shared.encode(t) != ids)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
