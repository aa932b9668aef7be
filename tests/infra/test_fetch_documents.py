"""The job's way from a bucket to the pipeline: an account of moto's, and the real pipeline behind it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import moto
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
STEPS = CHECKOUT / "cloud-init" / "steps"
BUCKET = "chartwell-dev-123456789012-documents"
NOTE = {
    "resource_id": "note-1",
    "patient_id": "patient-1",
    "document_type": "progress note",
    "text_content": "The patient takes warfarin 5 mg daily for atrial fibrillation. INR was 2.4 on Monday.",
}


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_documents", STEPS / "fetch_documents.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FETCH = loaded()


@pytest.fixture
def s3() -> Iterator[Any]:
    with moto.mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, **objects: str) -> None:
    for key, text in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def held(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_only_what_changed_is_fetched_and_what_is_gone_is_removed(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "documents"
    put(s3, **{"documents/a.json": "1", "documents/ward/b.json": "2", "documents/": "", "other/c.json": "3"})
    assert FETCH.fetch(s3, BUCKET, "documents/", folder) == 0
    assert held(folder) == {"a.json": "1", "ward/b.json": "2"}
    assert "2 in the bucket, 2 fetched, 0 removed" in capsys.readouterr().out
    first = (folder / "a.json").stat().st_mtime_ns

    assert FETCH.fetch(s3, BUCKET, "documents/", folder) == 0
    assert "2 in the bucket, 0 fetched, 0 removed" in capsys.readouterr().out
    assert (folder / "a.json").stat().st_mtime_ns == first

    put(s3, **{"documents/a.json": "changed"})
    s3.delete_object(Bucket=BUCKET, Key="documents/ward/b.json")
    (folder / ".x.part").write_text("left by a run that was killed")
    assert FETCH.fetch(s3, BUCKET, "documents/", folder) == 0
    assert held(folder) == {"a.json": "changed"}
    assert folder.stat().st_mode & 0o077 == 0


def test_a_key_that_leads_out_of_the_folder_is_left_out_and_not_printed(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(s3, **{"documents/../../etc/jane-doe": "x", "documents/ok.json": "y"})
    assert FETCH.fetch(s3, BUCKET, "documents/", tmp_path / "in" / "documents") == 0
    assert held(tmp_path) == {
        "in/documents/ok.json": "y",
        "in/documents.json": (tmp_path / "in" / "documents.json").read_text(),
    }
    printed = capsys.readouterr().out
    assert "1 left out" in printed
    assert "jane" not in printed


@pytest.mark.parametrize("key", ["documents/..", "documents/a/../b", "documents/", "documents//"])
def test_places_that_are_none(key: str) -> None:
    assert FETCH.place_of(key, "documents/") is None


def test_a_disk_without_room_is_left_as_it_was(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(s3, **{"documents/a.json": "1"})
    monkeypatch.setattr(FETCH, "SPARE_BYTES", 1 << 60)
    assert FETCH.fetch(s3, BUCKET, "documents/", tmp_path / "documents") == 1
    assert "volumeSizeGb" in capsys.readouterr().out
    assert held(tmp_path) == {}


# A process of its own has no access to this one's account: it makes the same one before it begins.
SITE = """
import os, sys
if any("fetch_documents" in word for word in sys.orig_argv):
    import json, moto
    moto.mock_aws().start()
    import boto3
    s3 = boto3.client("s3", "us-east-1")
    s3.create_bucket(Bucket=os.environ["TEST_BUCKET"])
    for key, text in json.loads(os.environ["TEST_OBJECTS"]).items():
        s3.put_object(Bucket=os.environ["TEST_BUCKET"], Key=key, Body=text.encode())
"""


class Job:
    """Runs what the unit runs, with the real pipeline."""

    def __init__(self, root: Path) -> None:
        (root / "data" / "app").mkdir(parents=True)
        (root / "site").mkdir()
        (root / "site" / "sitecustomize.py").write_text(SITE)
        self.root = root

    def run(self, objects: dict[str, str], bucket: str = BUCKET) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{self.root}/site:{CHECKOUT}",
            "HOST_MOUNT_POINT": str(self.root / "data"),
            "HOST_PYTHON": sys.executable,
            "CHARTWELL_DATA_DIR": str(self.root / "data" / "app" / "state"),
            "CHARTWELL_EMBEDDER__PROVIDER": "hashing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "t",
            "AWS_SECRET_ACCESS_KEY": "t",
            "TEST_BUCKET": bucket,
            "TEST_OBJECTS": json.dumps(objects),
        }
        return subprocess.run(
            ["bash", str(STEPS / "index.sh"), f"s3://{BUCKET}/documents/"],
            env=environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )


@pytest.mark.long
def test_the_notes_of_a_bucket_are_indexed_and_a_second_run_stores_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path)
    empty = job.run({})
    assert empty.returncode == 0, empty.stderr
    assert "holds no documents yet" in empty.stdout

    objects = {
        "documents/a.json": json.dumps(NOTE),
        "documents/ward/b.json": json.dumps(NOTE | {"resource_id": "2"}),
    }
    first = job.run(objects)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 notes accepted" in first.stdout
    assert "2 embedded" in first.stdout

    bad = job.run(objects | {"documents/c.json": json.dumps({"resource_id": "3"} | {"text_content": ""})})
    assert bad.returncode == 1, bad.stdout + bad.stderr  # the unit's "incomplete"
    assert "2 unchanged" in bad.stdout
    assert "warfarin" not in bad.stdout + bad.stderr


def test_a_bucket_that_refuses_is_worth_another_try(tmp_path: Path) -> None:
    done = Job(tmp_path).run({}, bucket="another-bucket")
    assert done.returncode == 75
    assert "AWS refused ListObjectsV2" in done.stdout
    assert "NoSuchBucket" in done.stdout
    assert "#job" in done.stdout
