"""Originals of the library in a bucket: S3, or any server that speaks its protocol, by endpoint.

Decides names (the SHA-256 of the bytes), encryption, how a browser may send one large file by itself, and which of our
errors each of botocore's is. Nothing counts as an original before its bytes were hashed here: an upload past this
process lands beside the originals, and what was hashed is what is kept. No object gets an access list; the bucket's own
policy says who reads. Parts of a large file are sent again one by one, so botocore's own retries stay on.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as aws
from botocore.config import Config

from pipeline.config import LibrarySettings
from pipeline.errors import (
    LibraryError,
    SettingsInvalid,
    StoreAccessDenied,
    StoreError,
    StoreUnavailable,
)
from pipeline.library.originals import changed, copy_hashed, gone, require_hash

ORIGINALS, ARRIVING = "originals/", "arriving/"
PART_BYTES = 16 * 1024**2
"""Larger files go in parts of this size."""
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS_MAX = 5.0, 30.0, 3
SHORT_SECONDS = 5.0
"""Patience with questions that are asked while nobody else can write to the catalogue."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_UPLOAD = re.compile(r"([0-9a-f]{64})-[0-9a-f]{32}")
_DENIED = frozenset(
    {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "AccountProblem"}
)
_ABSENT = frozenset({"404", "NoSuchKey"})


@dataclass(frozen=True, slots=True)
class DirectUpload:
    """What a client needs to send one file past this process: PUT its bytes to `url` with exactly these headers."""

    upload_id: str
    """What the upload is confirmed by."""
    url: str
    headers: Mapping[str, str]
    seconds: int
    """For so long the URL can be used."""


def library_bucket(settings: LibrarySettings, scratch: Path) -> OriginalBucket:
    """`scratch`: folder for files on their way. Raises SettingsInvalid, before anything is sent."""
    if not settings.bucket:
        raise SettingsInvalid(
            "CHARTWELL_LIBRARY__ORIGINALS is bucket, and no bucket is named.",
            remedy="Set CHARTWELL_LIBRARY__BUCKET, or keep originals in the folder.",
        )
    address = urlsplit(settings.endpoint)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise SettingsInvalid(
            "CHARTWELL_LIBRARY__ENDPOINT is not encrypted, and originals may name patients.",
            remedy="Give an address that begins with https://.",
        )
    if bool(settings.kms_key_id) and settings.encryption != "aws:kms":
        raise SettingsInvalid(
            "CHARTWELL_LIBRARY__KMS_KEY_ID is set, and the originals are not encrypted with it.",
            remedy="Set CHARTWELL_LIBRARY__ENCRYPTION=aws:kms, or leave the key out.",
        )
    short = _client(settings, SHORT_SECONDS, SHORT_SECONDS, attempts=1)
    return OriginalBucket(
        _client(settings, CONNECT_SECONDS, READ_SECONDS, ATTEMPTS_MAX), short, settings, scratch
    )


def _client(settings: LibrarySettings, connect_seconds: float, read_seconds: float, attempts: int) -> Any:
    config = Config(
        signature_version="s3v4",
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        # The signature covers the bytes: every server checks that, while not all know AWS's newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True, "addressing_style": "path" if settings.endpoint else "auto"},
    )
    endpoint = settings.endpoint or None
    return boto3.Session().client("s3", region_name=settings.region, endpoint_url=endpoint, config=config)


class OriginalBucket:
    """Safe to use from several threads and processes."""

    def __init__(self, client: Any, short_client: Any, settings: LibrarySettings, scratch: Path) -> None:
        self._client = client
        self._short = short_client
        self._settings = settings
        self._scratch = scratch
        self._bucket = settings.bucket

    def keep(self, source: BinaryIO) -> tuple[str, int]:
        with self._file() as path:
            with path.open("wb") as file:
                content_hash, size = copy_hashed(source, file)
            self._put(path, content_hash, size)
        return content_hash, size

    def has(self, content_hash: str) -> bool:
        return self._size(self._short, self._key(content_hash)) is not None

    @contextmanager
    def as_file(self, content_hash: str) -> Iterator[Path]:
        with self._file() as path:
            if self._fetch(self._key(content_hash), path) is None:
                raise gone(content_hash)
            if _hash_of(path) != content_hash:
                raise changed(content_hash)
            yield path

    def remove(self, content_hash: str) -> bool:
        there = self.has(content_hash)
        self._delete(self._short, self._key(content_hash))
        return there

    def hashes(self, kept_before: float = math.inf) -> Iterator[str]:
        prefix = self._settings.prefix + ORIGINALS
        for key, at in self._listed(prefix):
            if at < kept_before:
                yield key.removeprefix(prefix)

    def remove_unfinished(self, older_than_seconds: float, now: float) -> int:
        stale = [
            key for key, at in self._listed(self._settings.prefix + ARRIVING) if now - at > older_than_seconds
        ]
        for key in stale:
            self._delete(self._client, key)
        with self._errors():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._settings.prefix
            )
            begun = [each for page in pages for each in page.get("Uploads", ())]
            cut = [each for each in begun if now - each["Initiated"].timestamp() > older_than_seconds]
            for each in cut:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"]
                )
        return len(stale) + len(cut)

    # --- uploads past this process

    def offer_upload(self, content_hash: str, size: int) -> DirectUpload:
        """Let a client send one file by itself, of that hash and that many bytes alone. It is an original only after
        `confirm_upload`. Raises ValueError for what is no hash."""
        require_hash(content_hash)
        upload_id = f"{content_hash}-{secrets.token_hex(16)}"
        checksum = base64.b64encode(bytes.fromhex(content_hash)).decode()
        seconds = self._settings.upload_minutes * 60
        asked = {
            "Bucket": self._bucket,
            "Key": self._arriving(upload_id),
            "ContentLength": size,
            "ChecksumSHA256": checksum,
            **self._encryption(),
        }
        with self._errors():
            url = self._client.generate_presigned_url("put_object", Params=asked, ExpiresIn=seconds)
        encryption = {
            "x-amz-server-side-encryption": asked.get("ServerSideEncryption"),
            "x-amz-server-side-encryption-aws-kms-key-id": asked.get("SSEKMSKeyId"),
        }
        headers = {name: str(value) for name, value in encryption.items() if value}
        return DirectUpload(upload_id, url, {"x-amz-checksum-sha256": checksum, **headers}, seconds)

    def confirm_upload(self, upload_id: str, size: int) -> tuple[str, int]:
        """Hash what arrived, and keep it. SHA-256 and bytes. The same upload twice is none.

        Raises LibraryError where nothing arrived, or other bytes than were announced: those are removed.
        """
        announced = _UPLOAD.fullmatch(upload_id)
        if announced is None:
            raise _nothing_arrived()
        key, content_hash = self._arriving(upload_id), announced[1]
        held = self._size(self._client, key)
        with self._file() as path:
            if held is None or self._fetch(key, path) is None:
                raise _nothing_arrived()
            as_announced = held == size and _hash_of(path) == content_hash
            if as_announced:
                self._put(path, content_hash, size)
        self._delete(self._client, key)
        if not as_announced:
            raise LibraryError(
                "What arrived is not the file that was announced.", remedy="Upload the file again."
            )
        return content_hash, size

    # --- the ground

    def _key(self, content_hash: str) -> str:
        require_hash(content_hash)
        return f"{self._settings.prefix}{ORIGINALS}{content_hash}"

    def _arriving(self, upload_id: str) -> str:
        return f"{self._settings.prefix}{ARRIVING}{upload_id}"

    def _encryption(self) -> dict[str, str]:
        if self._settings.encryption == "none":
            return {}
        key = {"SSEKMSKeyId": self._settings.kms_key_id} if self._settings.kms_key_id else {}
        return {"ServerSideEncryption": self._settings.encryption, **key}

    def _put(self, path: Path, content_hash: str, size: int) -> None:
        """Under its hash. Over what is there: it may have been damaged."""
        key = self._key(content_hash)
        more = {"ContentType": "application/octet-stream", **self._encryption()}
        parts = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4
        )
        with self._errors():
            self._client.upload_file(str(path), self._bucket, key, ExtraArgs=more, Config=parts)
        if self._size(self._client, key) != size:
            raise StoreError(
                f"The bucket of originals says that it keeps {content_hash}, and has other bytes.",
                remedy="Look at the bucket's rules for events and lifecycle, then upload the file again.",
            )

    def _delete(self, client: Any, key: str) -> None:
        with self._errors():
            client.delete_object(Bucket=self._bucket, Key=key)

    def _fetch(self, key: str, path: Path) -> int | None:
        """Bytes; None where it is not there."""
        try:
            with self._errors(), path.open("wb") as file:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                _, size = copy_hashed(answer["Body"], file)
                return size
        except _Absent:
            return None

    def _size(self, client: Any, key: str) -> int | None:
        """Bytes; None where it is not there."""
        try:
            with self._errors():
                return int(client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
        except _Absent:
            return None

    def _listed(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Key, and when it was written in seconds since 1970."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with self._errors():
            found = [
                (each["Key"], each["LastModified"]) for page in pages for each in page.get("Contents", ())
            ]
        yield from ((key, at.timestamp()) for key, at in found)

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """An empty file of this machine that only its owner reads, for as long as the block lasts."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".arriving-", dir=self._scratch)  # 0600
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """botocore's errors as ours. They end here."""
        try:
            yield
        except aws.ClientError as error:
            raise self._refused(error) from error
        except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
            raise StoreAccessDenied(
                "There are no credentials for the bucket of originals.",
                remedy="Give the machine a role that may use the bucket, or set AWS_ACCESS_KEY_ID and its secret.",
            ) from error
        except (aws.HTTPClientError, aws.ConnectionError) as error:
            raise StoreUnavailable(
                f"The bucket of originals {self._bucket} cannot be reached ({type(error).__name__}).",
                remedy="Check the network and CHARTWELL_LIBRARY__ENDPOINT, then try again.",
            ) from error
        except (aws.BotoCoreError, Boto3Error) as error:
            inner = error.__context__
            if isinstance(inner, aws.ClientError):  # upload_file hides what the server said
                raise self._refused(inner) from error
            raise StoreError(
                f"The bucket of originals {self._bucket}: {type(error).__name__}.",
                remedy="Run the command again with CHARTWELL_LOG_LEVEL=debug and keep the output.",
            ) from error

    def _refused(self, error: aws.ClientError) -> StoreError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _ABSENT:
            return _Absent("An object is not in the bucket of originals.", remedy="Upload the file again.")
        if code == "NoSuchBucket":
            return StoreError(
                f"There is no bucket {self._bucket}.",
                remedy="Make it, or correct CHARTWELL_LIBRARY__BUCKET, __REGION and __ENDPOINT.",
            )
        if code in _DENIED:
            return StoreAccessDenied(
                f"The bucket of originals {self._bucket} refuses these credentials ({code}).",
                remedy="Allow them to list the bucket, and to read, write and delete its objects.",
            )
        if status >= 500 or code in ("SlowDown", "RequestTimeout"):
            return StoreUnavailable(
                f"The bucket of originals {self._bucket} cannot answer now ({code}).",
                remedy="Try again later.",
            )
        return StoreError(
            f"The bucket of originals {self._bucket} refused a request ({code}).",
            remedy="Compare CHARTWELL_LIBRARY__ENCRYPTION and __REGION with what the bucket takes.",
        )


class _Absent(StoreError):
    """For this file alone: there is no such object."""


def _nothing_arrived() -> LibraryError:
    return LibraryError("No such upload has arrived.", remedy="Upload the file again.")


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
