"""A server on this machine that speaks the Hub's API for models: searches, their lists of files, and the files."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

SHA = "0123456789abcdef0123456789abcdef01234567"
LLAMA_70B: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
TINY = {
    **LLAMA_70B,
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
}
#: sizes of weight files by name, and the config
MODELS: dict[str, tuple[dict[str, int], dict[str, Any]]] = {
    "org/large": (dict.fromkeys(("model-1.safetensors", "model-2.safetensors"), 70_553_706_496), LLAMA_70B),
    "org/tiny": ({"model.safetensors": 300_000, "optimizer.safetensors": 10**12}, TINY),
    "org/silent": ({"model.safetensors": 300_000}, {"model_type": "llama"}),
    "org/gated": ({"model.safetensors": 300_000}, TINY),
}
#: what a search tells of each, the most downloaded first
TOLD: dict[str, dict[str, Any]] = {
    "org/large": {
        "downloads": 90_000,
        "safetensors": {"parameters": {"BF16": 70_553_706_496}, "total": 70_553_706_496},
    },
    "org/tiny": {
        "downloads": 1_200,
        "tags": ["mlx", "4-bit"],
        "safetensors": {"parameters": {"U32": 60_000, "BF16": 30_000}, "total": 90_000},
    },
    "org/gated": {"downloads": 800, "gated": "manual"},
    "org/silent": {"downloads": 3},
}
GATED = "org/gated"
BLOCK = 10_000


class HubState:
    """What a test changes of a running server, and what was asked of it."""

    def __init__(self) -> None:
        self.seconds_per_block = 0.0
        self.drops_after: int | None = None  # bytes of a file, after which the line is cut, once
        self.lies = False  # a weight file has other bytes than its digest says
        self.ranges: list[str] = []
        self.searches: list[dict[str, list[str]]] = []
        self.status = 0  # every answer, where it is one


def bytes_of(name: str, size: int) -> bytes:
    """The bytes of a weight file: the same each time."""
    seed = hashlib.sha256(name.encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def sizes_of(name: str) -> dict[str, int]:
    """Of all files of a model."""
    sizes, config = MODELS[name]
    return {**sizes, "config.json": len(json.dumps(config))}


class Hub(BaseHTTPRequestHandler):
    """`/api/models`, `/api/models/ID[/revision/REV]` and `/ID/resolve/REV/FILE`; a model that is not there is a 404."""

    state = HubState()

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        address = urlsplit(self.path)
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        if self.state.status:
            self._send(self.state.status, b"{}", {}, body)
        elif parts == ["api", "models"]:
            self._search(parse_qs(address.query), body)
        elif parts[0] == "api" and "tree" in parts:
            self._tree("/".join(parts[2:4]), body)
        elif parts[0] == "api":
            self._tell("/".join(parts[2:4]), body)
        else:
            self._file("/".join(parts[:2]), "/".join(parts[4:]), body)

    def _search(self, asked: dict[str, list[str]], body: bool) -> None:
        self.state.searches.append(asked)
        text = asked.get("search", [""])[0].lower()
        found = [{"id": name, **told} for name, told in TOLD.items() if text in name]
        self._send(200, json.dumps(found).encode(), {}, body)

    def _tell(self, name: str, body: bool) -> None:
        if name not in MODELS:
            self._refuse(body)
            return
        files = [{"rfilename": file, "size": size} for file, size in sizes_of(name).items()]
        self._send(200, json.dumps({"id": name, "sha": SHA, "siblings": files}).encode(), {}, body)

    def _tree(self, name: str, body: bool) -> None:
        if name not in MODELS:
            self._refuse(body)
            return
        files = [
            {"type": "file", "path": file, "size": size, "oid": SHA} for file, size in sizes_of(name).items()
        ]
        self._send(200, json.dumps(files).encode(), {}, body)

    def _file(self, name: str, file: str, body: bool) -> None:
        if name not in MODELS:
            self._refuse(body)
            return
        if name == GATED:
            said = {"X-Error-Code": "GatedRepo", "X-Error-Message": "agree first"}
            self._send(403, b"{}", said, body)
            return
        sizes, config = MODELS[name]
        if file == "config.json":
            content = json.dumps(config).encode()
            self._send(200, content, {"ETag": '"1"', "X-Repo-Commit": SHA}, body)
            return
        content = bytes_of(file, sizes[file])
        etag = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": SHA}
        if self.state.lies:
            content = content[::-1]
        self._send_part(content, headers, body)

    def _send_part(self, content: bytes, headers: dict[str, str], body: bool) -> None:
        wanted = self.headers.get("Range", "")
        if not body or not wanted:
            self._send(200, content, headers, body)
            return
        self.state.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        if start >= len(content):
            self._send(416, b"", headers, body)
            return
        told = {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._send(206, content[start:], told, body)

    def _refuse(self, body: bool) -> None:
        self._send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"}, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self._write(content)

    def _write(self, content: bytes) -> None:
        for start in range(0, len(content), BLOCK):
            drops = self.state.drops_after
            if drops is not None and start >= drops:
                self.state.drops_after = None
                self.close_connection = True
                return
            try:
                self.wfile.write(content[start : start + BLOCK])
            except OSError:  # whoever asked went away
                return
            if self.state.seconds_per_block and len(content) > BLOCK:
                time.sleep(self.state.seconds_per_block)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@contextmanager
def serving() -> Generator[str]:
    """The address of a running server; `Hub.state` is new."""
    Hub.state = HubState()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def in_place_of_the_hub(monkeypatch: pytest.MonkeyPatch, cache: str) -> Generator[HubState]:
    """The library asks a server of ours, and keeps what it gets in a cache of its own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", cache)
    monkeypatch.setenv("HF_HUB_CACHE", cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving() as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield Hub.state
