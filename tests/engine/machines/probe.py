"""What a person looks at on a deployed host: an answer, the data, whether the watch stops it. Over SSH, as they would.

Decides what "the same data" means: every row of the database, every document, the certificate and the volume's mark.
Not its counters of writes: each validation adds a note and removes it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from tests.engine.ssh import SshError, dialled

PYTHON = "/data/app/current/bin/python"
FINGERPRINTS = """
import hashlib, json, pathlib, sqlite3
data = pathlib.Path("/data")
found = {}
database = sqlite3.connect(f"file:{data}/iris/data/mgr/demo/IRIS.DAT?mode=ro", uri=True)
for (table,) in sorted(database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")):
    if table == "sqlite_sequence" or table.endswith("CorpusVersion"):
        continue
    rows = sorted(map(repr, database.execute(f'SELECT * FROM "{table}"')))
    found[f"{table} ({len(rows)} rows)"] = hashlib.sha256(chr(10).join(rows).encode()).hexdigest()
places = [data / ".chartwell-volume", data / "tls/service.pem", *sorted((data / "app/documents").rglob("*"))]
for path in places:
    if path.is_file():
        found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(found))
"""
WATCH = """
set -a; . /etc/chartwell/watch.env; set +a
rm -f /run/chartwell/last-busy
for minutes in 60 61 $((62 + HOST_IDLE_MINUTES)); do
  HOST_NOW=$(($(date +%s) + minutes * 60)) bash /opt/chartwell/watch/idle.sh
  cat /var/lib/chartwell/idle.json
done
"""


def run(connection: Mapping[str, Any], command: str, stdin: str = "") -> str:
    """What the command prints. Raises AssertionError with all it said where it fails."""
    with dialled(connection) as session:
        code, out, error = session.run(command, stdin, lambda _: None)
    assert code == 0, f"{command}: {code}\n{out}\n{error}"
    return out


def ask(connection: Mapping[str, Any], question: str) -> dict[str, Any]:
    """Text and citations of the answer, without what differs from run to run."""
    words = f"{PYTHON} -m pipeline.ask --json {shlex.quote(question)}"
    script = (
        f"cd /data/app/state && set -a && . /data/app/chartwell.env && exec runuser -u chartwell -- {words}"
    )
    answer = json.loads(run(connection, shlex.join(["sudo", "-n", "bash", "-c", script])))
    return {name: answer[name] for name in ("outcome", "text", "citations", "prompt_version", "space_id")}


def fingerprints(connection: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the data, by what it is of."""
    return dict(json.loads(run(connection, "sudo -n python3 -", FINGERPRINTS)))


def heed_spot(connection: Mapping[str, Any]) -> None:
    """Run the spot watch, as its unit does on a host that is a spot machine."""
    run(connection, "sudo -n systemd-run -q -E HOST_SPOT_SECONDS=1 bash /opt/chartwell/watch/spot.sh")


def let_idle(connection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run the watch as its timer does, with a clock that is hours ahead. Its last look powers the host off."""
    try:
        with dialled(connection) as session:
            _, out, _ = session.run("sudo -n bash -s", WATCH, lambda _: None)
    except SshError:  # the host went while we were leaving
        return []
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]
