"""A judge's key stands in no message, whatever the server says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from droid_tune.rewards.judges.endpoint import Endpoint, EndpointError

KEY = "sk-very-secret-1234"


class Refusing(BaseHTTPRequestHandler):
    """Repeats the header that it refuses, as some servers do."""

    def do_POST(self) -> None:
        said = {"error": {"message": f"Incorrect API key provided: {self.headers['Authorization']}"}}
        body = json.dumps(said).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    made = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}/v1"
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_key_that_the_server_repeats_is_not_repeated_again(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with pytest.raises(EndpointError, match="Incorrect API key provided: Bearer") as told:
        Endpoint(server, "judge", key_variable="JUDGE_KEY").reply("?")
    assert KEY not in str(told.value)
