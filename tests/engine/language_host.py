"""Pulumi's language host for Python, for where only the engine can be built: runs the program as the real one does.

The real one is a Go program that starts `python -u pulumi-language-python-exec` for each run; neither is on PyPI or
served by the Go module proxy. This serves the calls that `pulumi up`, `preview` and `destroy` make, and starts
`tests.engine.program` in the same way: a process of its own with the configuration in PULUMI_CONFIG, its output the
engine's to print, exit code 32 meaning that the user has been told. It installs nothing and knows of no plugins'
versions. Source: pulumi/pulumi, sdk/python/cmd/pulumi-language-python/main.go.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

TOLD: Final = 32  # the program's exit code after an error that it has printed itself
MESSAGE_BYTES_MAX: Final = 400 << 20  # as the engine's own


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs one program at a time. `engine` is the address that it logs to."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: subprocess.Popen[bytes] | None = None

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="3.0.0")

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: Any, context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        if self._running:
            self._running.terminate()
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:
        folder = Path(request.info.program_directory or request.pwd)
        virtualenv = dict(request.info.options).get("virtualenv", "")
        python = folder / str(virtualenv) / "bin" / "python" if virtualenv else Path(sys.executable)
        words = [str(python), "-u", "-m", "tests.engine.program"]
        words += ["--project", request.project, "--stack", request.stack]
        words += ["--organization", request.organization, "--parallel", str(request.parallel)]
        words += ["--monitor", request.monitor_address, "--engine", self._engine]
        words += ["--folder", str(folder), *(["--preview"] if request.dryRun else [])]
        environment = {
            **os.environ,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        self._running = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL)
        code = self._running.wait()
        if code == TOLD:
            return language_pb2.RunResponse(bail=True)
        error = f"Program exited with non-zero exit code: {code}" if code else ""
        return language_pb2.RunResponse(error=error)


def server() -> grpc.Server:
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
    return grpc.server(ThreadPoolExecutor(max_workers=16), options=options)


def serve(made: grpc.Server) -> None:
    """Tell the engine the port, and stay until it says to go (an interrupt) or is gone itself."""
    sys.stdout.write(f"{made.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    made.start()
    parent = os.getppid()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: os._exit(0))
    while os.getppid() == parent:
        time.sleep(1.0)


def main() -> None:
    made = server()
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(sys.argv[-1]), made)
    serve(made)


if __name__ == "__main__":
    main()
