"""What the recommended settings do on real connections, to a server that plays SQS and DynamoDB."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from flowcraft_aws import AwsBackend, client_config

#: Of the backend below: as many as `client_config` keeps connections for.
THREADS = 4


class Served(ThreadingHTTPServer):
    """Says that there is nothing, and keeps connections; ``on_request`` may wait, or say that one is to be cut."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.connections = 0
        self.on_request: Callable[[str], bool] = lambda operation: True
        self.url = f"http://127.0.0.1:{self.server_port}"

    def client(self, name: Any) -> Any:
        return boto3.client(
            name,
            region_name="eu-west-1",
            endpoint_url=self.url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=client_config(threads=THREADS),
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        if not self.server.on_request(operation):
            self.close_connection = True
            return
        content = json.dumps({"Attributes": {}} if operation == "UpdateItem" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def backend(served: Served) -> AwsBackend:
    return AwsBackend(
        queue_url=f"{served.url}/1/jobs",
        sqs_client=served.client("sqs"),
        dynamodb_client=served.client("dynamodb"),
        threads=THREADS,
    )


async def test_a_connection_that_was_cut_while_the_process_was_frozen_is_made_anew(
    served: Served, backend: AwsBackend
) -> None:
    """As a Lambda function is between two invocations; what is in the way of its connections forgets them meanwhile."""
    async with backend:
        is_cut = threading.Event()

        def cut_once(operation: str) -> bool:
            was_cut = is_cut.is_set()
            is_cut.set()
            return was_cut

        served.on_request = cut_once
        assert await backend.status.get("run") is None
        assert is_cut.is_set()
        assert backend.metrics.retries == {"dynamodb.GetItem": 1}


async def test_a_heartbeat_has_a_connection_of_its_own_and_none_is_made_in_vain(
    served: Served, backend: AwsBackend
) -> None:
    go_on, hanging = threading.Event(), threading.Semaphore(0)

    def hang(operation: str) -> bool:
        if operation != "GetItem":
            return True
        hanging.release()
        return go_on.wait(30)

    async with backend:
        served.on_request = hang
        reads = [asyncio.ensure_future(backend.status.get("run")) for _ in range(3 * THREADS)]
        for _ in range(THREADS - 1):
            assert await asyncio.to_thread(hanging.acquire, timeout=10)
        assert await asyncio.wait_for(backend.coordination.extend_ttl("lease", "me", ttl=1.0), 10) is True
        assert not any(read.done() for read in reads)
        go_on.set()
        await asyncio.gather(*reads)
    # One for each thread, and that of the queue.
    assert served.connections <= THREADS + 1


async def test_a_client_with_fewer_connections_is_asked_by_fewer_threads(served: Served) -> None:
    """Else connections would be made for one request each, and given up."""
    backend = AwsBackend(
        queue_url=f"{served.url}/1/jobs", sqs_client=served.client("sqs"), dynamodb_client=served.client("dynamodb")
    )
    async with backend:
        await asyncio.gather(*(backend.status.get(f"run {number}") for number in range(40)))
    assert served.connections <= THREADS + 1
