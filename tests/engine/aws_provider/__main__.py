"""The plugin's process: serves on loopback, prints its port, ends with the engine."""

from __future__ import annotations

import sys
import threading
from concurrent import futures

import botocore.retries.standard
import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from tests.engine.aws_provider.provider import AwsProvider

MESSAGE_BYTES_MAX = 400 * 1024 * 1024  # pulumi/runtime/_grpc_settings.py
BACKOFF_SECONDS_MAX = 0.1


def main() -> None:
    # Retries as many as the program asks for, without the waits between them (20 s at most in boto3).
    backoff = botocore.retries.standard.ExponentialBackoff
    backoff.delay_amount = lambda self, context: BACKOFF_SECONDS_MAX
    options = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES_MAX) for way in ("receive", "send")]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
