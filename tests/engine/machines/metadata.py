"""The instance metadata of EC2 (IMDSv2) inside one machine: its role's keys, and the notice of a spot machine's end."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROLE = "host"
TOKEN = "a-token"


class Metadata:
    """Answers on `listener` until `close`. `spot_notice` is what spot/instance-action says, nothing while empty."""

    def __init__(self, listener: socket.socket, instance_id: str) -> None:
        self.spot_notice = ""
        metadata = self
        role = "/latest/meta-data/iam/security-credentials/"

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self._say(TOKEN if self.path == "/latest/api/token" else "")

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
                    return self._say("", 401)
                pages = {
                    role: ROLE,
                    role + ROLE: _keys(),
                    "/latest/meta-data/instance-id": instance_id,
                    "/latest/meta-data/spot/instance-action": metadata.spot_notice,
                }
                return self._say(pages.get(self.path, ""))

            def _say(self, text: str, code: int = 200) -> None:
                self.send_response(code if text or code != 200 else 404)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.daemon_threads = True
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _keys() -> str:
    ends = datetime.now(UTC) + timedelta(hours=6)
    found = {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIATEST",
        "SecretAccessKey": "test",
        "Token": "test",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps(found)
