"""Originals in a bucket: the same promises as a folder keeps, and uploads past the service that prove nothing alone."""

import hashlib
import io
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends.bucket import PART_BYTES, DirectUpload, OriginalBucket, library_bucket
from pipeline.config import LibrarySettings, Settings
from pipeline.errors import (
    LibraryError,
    SettingsInvalid,
    StoreAccessDenied,
    StoreDamaged,
    StoreError,
    StoreUnavailable,
)
from pipeline.library.originals import OriginalFolder, OriginalStore
from pipeline.library.versions import LibraryDomain
from pipeline.wiring import open_library
from tests.servers.s3 import KEY, SECRET, S3Server, s3_server

BYTES = b"%PDF-1.7 not really"
HASH = hashlib.sha256(BYTES).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture(scope="module")
def door() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def settings(door: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LibrarySettings]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    door.requests.clear()
    door.refuse_all = None
    yield LibrarySettings(
        originals="bucket", bucket=f"library-{uuid.uuid4().hex}", prefix="a/", endpoint=door.url
    )
    door.refuse_all = None


@pytest.fixture
def bucket(settings: LibrarySettings, tmp_path: Path) -> OriginalBucket:
    opened = library_bucket(settings, tmp_path / "arriving")
    client_of(opened).create_bucket(Bucket=settings.bucket)
    return opened


@pytest.fixture(params=["folder", "bucket"])
def originals(request: pytest.FixtureRequest, tmp_path: Path) -> OriginalStore:
    if request.param == "folder":
        return OriginalFolder(tmp_path / "originals")
    found: OriginalBucket = request.getfixturevalue("bucket")
    return found


def client_of(bucket: OriginalBucket) -> Any:
    return bucket._client


def test_an_original_is_kept_once_and_handed_out_until_it_is_removed(
    originals: OriginalStore, tmp_path: Path
) -> None:
    assert not originals.has(HASH)
    for _ in range(2):
        assert originals.keep(io.BytesIO(BYTES)) == (HASH, len(BYTES))
    assert originals.has(HASH)
    with originals.as_file(HASH) as path:
        assert path.read_bytes() == BYTES
        assert path.stat().st_mode & 0o077 == 0
    assert list(originals.hashes()) == [HASH]
    assert list(originals.hashes(kept_before=1.0)) == []
    assert originals.remove(HASH)
    assert not originals.remove(HASH)
    assert list(originals.hashes()) == []
    with pytest.raises(LibraryError, match="not where the library keeps"), originals.as_file(HASH):
        pass


@pytest.mark.parametrize("asked", ["", "../x", HASH.upper(), f"{HASH}0"])
def test_what_is_no_hash_is_no_place(originals: OriginalStore, asked: str) -> None:
    for call in (originals.has, originals.remove):
        with pytest.raises(ValueError, match="SHA-256"):
            call(asked)


def test_an_original_with_other_bytes_is_not_handed_out(
    bucket: OriginalBucket, settings: LibrarySettings, tmp_path: Path
) -> None:
    bucket.keep(io.BytesIO(BYTES))
    client_of(bucket).put_object(Bucket=settings.bucket, Key=f"a/originals/{HASH}", Body=b"changed")
    with pytest.raises(StoreDamaged), bucket.as_file(HASH):
        pass
    bucket.keep(io.BytesIO(BYTES))
    with bucket.as_file(HASH) as path:
        assert path.read_bytes() == BYTES
    assert list((tmp_path / "arriving").iterdir()) == []


@pytest.mark.parametrize(
    ("encryption", "key", "headers"),
    [
        ("AES256", "", {"x-amz-server-side-encryption": "AES256"}),
        (
            "aws:kms",
            "key-1",
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
            },
        ),
        ("none", "", {}),
    ],
)
def test_originals_are_encrypted_and_nobody_is_let_in(
    bucket: OriginalBucket,
    settings: LibrarySettings,
    door: S3Server,
    tmp_path: Path,
    encryption: str,
    key: str,
    headers: dict[str, str],
) -> None:
    changed = settings.model_copy(update={"encryption": encryption, "kms_key_id": key})
    library_bucket(changed, tmp_path / "x").keep(io.BytesIO(BYTES))
    (sent,) = [each for method, path, each in door.requests if method == "PUT" and HASH in path]
    small = {name.lower(): value for name, value in sent.items()}
    assert {name: value for name, value in small.items() if "encryption" in name} == headers
    assert not [name for name in small if "acl" in name or "grant" in name]
    assert small["x-amz-content-sha256"] == HASH


def test_a_large_file_goes_in_parts(bucket: OriginalBucket, door: S3Server) -> None:
    content = os.urandom(PART_BYTES + 1024)
    content_hash, size = bucket.keep(io.BytesIO(content))
    assert (content_hash, size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert sum("partNumber=" in path for _, path, _ in door.requests) == 2
    with bucket.as_file(content_hash) as path:
        assert path.stat().st_size == size


def test_what_never_became_an_original_is_removed(bucket: OriginalBucket, settings: LibrarySettings) -> None:
    client = client_of(bucket)
    client.create_multipart_upload(Bucket=settings.bucket, Key=f"a/originals/{OTHER}")
    client.put_object(Bucket=settings.bucket, Key="a/arriving/x", Body=b"half")
    bucket.keep(io.BytesIO(BYTES))
    newest = client.head_object(Bucket=settings.bucket, Key="a/arriving/x")["LastModified"].timestamp()
    assert bucket.remove_unfinished(60, newest + 59) == 1  # the parts: moto says that they began years ago
    assert client.head_object(Bucket=settings.bucket, Key="a/arriving/x")
    assert bucket.remove_unfinished(60, newest + 61) == 1
    assert "Uploads" not in client.list_multipart_uploads(Bucket=settings.bucket)
    assert list(bucket.hashes()) == [HASH]


# --- uploads past the service


def send(offer: DirectUpload, body: bytes, headers: dict[str, str] | None = None) -> int:
    """Status."""
    request = urllib.request.Request(
        offer.url, data=body, headers=offer.headers if headers is None else headers, method="PUT"
    )
    # As a browser that was told no type.
    request.add_unredirected_header("Content-type", "")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_direct_upload_is_an_original_once_it_is_confirmed(bucket: OriginalBucket) -> None:
    offer = bucket.offer_upload(HASH, len(BYTES))
    assert send(offer, BYTES) == 200
    assert not bucket.has(HASH)
    assert bucket.confirm_upload(offer.upload_id, len(BYTES)) == (HASH, len(BYTES))
    with bucket.as_file(HASH) as path:
        assert path.read_bytes() == BYTES
    with pytest.raises(LibraryError, match="No such upload"):
        bucket.confirm_upload(offer.upload_id, len(BYTES))


@pytest.mark.parametrize(
    ("body", "checksum_of", "status"),
    [
        (BYTES[:-1] + b"!", BYTES, 400),
        (BYTES[:-1] + b"!", BYTES[:-1] + b"!", 403),
        (BYTES + b"more", BYTES, 403),
        (BYTES[:5], BYTES, 403),
    ],
    ids=["other bytes", "other checksum", "longer", "shorter"],
)
def test_an_offer_takes_what_was_announced_and_nothing_else(
    bucket: OriginalBucket, body: bytes, checksum_of: bytes, status: int
) -> None:
    offer = bucket.offer_upload(HASH, len(BYTES))
    checksum = bucket.offer_upload(hashlib.sha256(checksum_of).hexdigest(), 1).headers[
        "x-amz-checksum-sha256"
    ]
    assert send(offer, body, {**offer.headers, "x-amz-checksum-sha256": checksum}) == status
    assert send(offer, BYTES, {}) == 403


@pytest.mark.parametrize("arrived", [b"other bytes", BYTES[:-1] + b"!", b""])
def test_a_store_that_checks_nothing_is_not_believed(
    bucket: OriginalBucket, settings: LibrarySettings, arrived: bytes
) -> None:
    offer = bucket.offer_upload(HASH, len(BYTES))
    key = f"a/arriving/{offer.upload_id}"
    client_of(bucket).put_object(Bucket=settings.bucket, Key=key, Body=arrived)
    with pytest.raises(LibraryError, match="not the file that was announced"):
        bucket.confirm_upload(offer.upload_id, len(BYTES))
    assert not bucket.has(HASH)
    assert "Contents" not in client_of(bucket).list_objects_v2(Bucket=settings.bucket)


@pytest.mark.parametrize(
    "upload_id", ["", f"../originals/{OTHER}", OTHER, f"{OTHER}-{'0' * 31}", f"{OTHER}-{'0' * 32}"]
)
def test_an_upload_that_was_never_offered(bucket: OriginalBucket, upload_id: str) -> None:
    bucket.keep(io.BytesIO(b"other"))
    with pytest.raises(LibraryError, match="No such upload"):
        bucket.confirm_upload(upload_id, 5)
    assert bucket.has(OTHER)


# --- what can go wrong


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", StoreAccessDenied),
        (403, "SignatureDoesNotMatch", StoreAccessDenied),
        (404, "NoSuchBucket", StoreError),
        (503, "SlowDown", StoreUnavailable),
        (500, "InternalError", StoreUnavailable),
        (501, "NotImplemented", StoreUnavailable),
        (400, "InvalidArgument", StoreError),
    ],
)
def test_errors_of_the_server_are_ours(
    bucket: OriginalBucket,
    door: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    kind: type[StoreError],
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    door.refuse_all = status, code
    for call in (lambda: bucket.keep(io.BytesIO(BYTES)), lambda: list(bucket.hashes())):
        with pytest.raises(StoreError) as raised:
            call()
        assert type(raised.value) is kind
        assert "bucket" in raised.value.what
        assert SECRET not in str(raised.value)


def test_a_server_that_is_away(settings: LibrarySettings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        library_bucket(away, tmp_path).has(HASH)


def test_no_credentials(settings: LibrarySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    opened = library_bucket(settings, tmp_path)
    for call in (lambda: opened.has(HASH), lambda: opened.offer_upload(HASH, 5)):
        with pytest.raises(StoreAccessDenied, match="no credentials"):
            call()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"bucket": ""}, "CHARTWELL_LIBRARY__ORIGINALS"),
        ({"endpoint": "http://minio.example"}, "CHARTWELL_LIBRARY__ENDPOINT"),
        ({"kms_key_id": "key-1"}, "CHARTWELL_LIBRARY__KMS_KEY_ID"),
    ],
)
def test_settings_that_cannot_be_meant(
    settings: LibrarySettings, tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        library_bucket(settings.model_copy(update=changes), tmp_path)


def test_a_library_of_the_settings_keeps_its_originals_there(
    bucket: OriginalBucket, settings: LibrarySettings, tmp_path: Path
) -> None:
    chosen = Settings(data_dir=tmp_path / "data", library=settings)
    with open_library(chosen) as library:
        library.catalogue.put_domain(LibraryDomain("pain"))
        added = library.take_in(io.BytesIO(BYTES), "a.pdf", "pain", "librarian")
        assert bucket.has(added.version.content_hash)
        library.remove(added.version.version_id, "librarian", "")
        assert not bucket.has(HASH)
    with open_library(Settings(data_dir=tmp_path / "folder")) as library:
        library.originals.keep(io.BytesIO(BYTES))
    assert not bucket.has(HASH)
