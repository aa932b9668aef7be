"""The deployment's key: made once, its owner's alone, never replaced and never told."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import DeidentificationUnavailable
from pipeline.imaging.deidentification.key import FINGERPRINT_FILE, KEY_FILE, open_key


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(lambda _: open_key(folder), range(16)))
    assert len({key.secret for key in keys}) == 1
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert open_key(folder) == keys[0]
    assert open_key(tmp_path / "other") != keys[0]


def test_what_a_crash_left_is_not_taken_for_a_key(tmp_path: Path) -> None:
    (tmp_path / f"{KEY_FILE}.new").write_text("half a k")
    assert len(open_key(tmp_path).secret) == 64


def test_a_named_file_is_the_key(tmp_path: Path) -> None:
    named = tmp_path / "secret"
    named.write_text("a" * 40 + "\n")
    named.chmod(0o400)
    assert open_key(tmp_path / "data", named).secret == b"a" * 40
    assert not (tmp_path / "data" / KEY_FILE).exists()


@pytest.mark.parametrize(
    ("written", "mode", "what"),
    [
        (None, 0o600, "FileNotFoundError"),
        ("a" * 31, 0o600, "holds no key"),
        ("", 0o600, "holds no key"),
        ("a" * 2000, 0o600, "holds no key"),
        ("pass word " * 8, 0o600, "holds no key"),
        ("é" * 40, 0o600, "UnicodeDecodeError"),
        ("a" * 40, 0o640, "open to other accounts"),
        ("a" * 40, 0o604, "open to other accounts"),
    ],
)
def test_a_file_that_is_no_key_is_refused_and_not_quoted(
    tmp_path: Path, written: str | None, mode: int, what: str
) -> None:
    named = tmp_path / "secret"
    if written is not None:
        named.write_text(written, encoding="utf-8")
        named.chmod(mode)
    with pytest.raises(DeidentificationUnavailable, match=what) as caught:
        open_key(tmp_path, named)
    assert written is None or not written or written[:8] not in str(caught.value)


def test_a_spoilt_key_of_the_data_folder_is_not_replaced(tmp_path: Path) -> None:
    first = open_key(tmp_path)
    (tmp_path / KEY_FILE).write_text("")
    with pytest.raises(DeidentificationUnavailable, match="holds no key"):
        open_key(tmp_path)
    assert (tmp_path / KEY_FILE).read_text() == ""
    assert first.secret.decode() not in repr(first)
    assert first.secret.decode() not in (tmp_path / FINGERPRINT_FILE).read_text()


def test_a_key_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    open_key(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(DeidentificationUnavailable, match="FileNotFoundError"):
        open_key(tmp_path)
    assert not (tmp_path / KEY_FILE).exists()


def test_another_key_than_before_is_refused(tmp_path: Path) -> None:
    first = open_key(tmp_path)
    named = tmp_path / "secret"
    named.write_text("b" * 40)
    named.chmod(0o600)
    with pytest.raises(DeidentificationUnavailable, match="another key"):
        open_key(tmp_path, named)
    (tmp_path / FINGERPRINT_FILE).unlink()
    assert open_key(tmp_path, named) != first
    with pytest.raises(DeidentificationUnavailable, match="another key"):
        open_key(tmp_path)


def test_keys_are_told_apart_without_being_told(tmp_path: Path) -> None:
    one, other = open_key(tmp_path / "a"), open_key(tmp_path / "b")
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint not in one.secret.decode()
    assert one.digest("uid", "1.2.3") != one.digest("patient", "1.2.3"), "one purpose says nothing of another"
