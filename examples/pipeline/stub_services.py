"""Stands in for the other services: does nothing but remember what it was asked for, and when it was too much.

It does what such services do: knows a call again by its ``Idempotency-Key``, and gives the answer that it gave before;
answers 429 with ``Retry-After`` when the printer needs a rest; refuses what cannot be done.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: An address that nobody finds.
NOWHERE = "nowhere"


class StubServices:
    """The services, in threads of this process.

    Attributes:
        done: What each service has done, in order: the bodies of the calls, each with the id that was given it.
        replayed: How often a service was called again with a key for which it had done what it was to do.
        turned_away: How often the printer was busy.
        at_work: The keys of the documents that are being printed, and the process that asked for each.
        most_at_work: How many those were at most.
        printing: Cleared, it holds up what is being printed.
    """

    def __init__(self, *, sheets: int = 100, rest: float = 1.0, seconds: float = 0.02) -> None:
        """Serve nothing yet.

        Args:
            sheets: After so many documents the printer needs a rest.
            rest: How long that is, seconds.
            seconds: How long a document takes.
        """
        self.done: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.replayed: Counter[str] = Counter()
        self.turned_away = 0
        self.at_work: dict[str, str] = {}
        self.most_at_work = 0
        self.printing = threading.Event()
        self.printing.set()
        self._answers: dict[str, str] = {}
        self._lock = threading.Lock()
        self._sheets, self._rest, self._seconds = sheets, rest, seconds
        self._left, self._rests_until = sheets, 0.0

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve them until the end of the block; gives the URL."""
        stub = self

        class Handler(_Handler):
            services = stub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.printing.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def call(self, service: str, body: dict[str, Any], key: str, caller: str) -> tuple[int, dict[str, Any]]:
        """What a service answers: a status and its JSON."""
        if service == "shipments" and body["address"] == NOWHERE:
            return 422, {"error": "there is no such address"}
        if service == "documents":
            with self._lock:
                if key not in self._answers and (seconds := self._busy_for()):
                    self.turned_away += 1
                    return 429, {"retry_after": seconds}
                self.at_work[key] = caller
                self.most_at_work = max(self.most_at_work, len(self.at_work))
            time.sleep(self._seconds)
            self.printing.wait()
        with self._lock:
            self.at_work.pop(key, None)
            if key in self._answers:
                self.replayed[service] += 1
            else:
                self._answers[key] = f"{service}-{len(self.done[service]) + 1}"
                self.done[service].append({**body, "id": self._answers[key]})
            return 200, {"id": self._answers[key]}

    def total(self) -> int:
        """What was charged and not refunded."""
        with self._lock:
            refunded = {refund["charge"] for refund in self.done["refunds"]}
            return sum(charge["price"] for charge in self.done["charges"] if charge["id"] not in refunded)

    def _busy_for(self) -> int:
        """For how many seconds more the printer rests, 0 if it does not; else it has a sheet less left."""
        left = self._rests_until - time.monotonic()
        if left > 0:
            return math.ceil(left)
        self._left -= 1
        if self._left == 0:
            self._left, self._rests_until = self._sheets, time.monotonic() + self._rest
        return 0


class _Handler(BaseHTTPRequestHandler):
    services: StubServices

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, caller = self.headers["Idempotency-Key"], self.headers["User-Agent"]
        self._answer(*self.services.call(self.path.strip("/"), body, key, caller.partition("/")[2]))

    def do_GET(self) -> None:
        self._answer(200, {"total": self.services.total()})

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        try:
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", str(answer["retry_after"]))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except ConnectionError:
            self.close_connection = True  # who has asked was killed meanwhile

    def log_message(self, *_: object) -> None:
        """Say nothing."""
