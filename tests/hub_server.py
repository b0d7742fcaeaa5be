"""A server on this machine that speaks the Hub's API for models: their lists of files, and the files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

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
}


class Hub(BaseHTTPRequestHandler):
    """`/api/models/ID[/revision/REV]` and `/ID/resolve/REV/config.json`; a model that is not there is a 404."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        parts = [unquote(part) for part in self.path.split("?")[0].strip("/").split("/")]
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if name not in MODELS:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"}, body)
            return
        sizes, config = MODELS[name]
        content = json.dumps(config).encode()
        if parts[0] == "api":
            files = [{"rfilename": file, "size": size} for file, size in sizes.items()]
            files.append({"rfilename": "config.json", "size": len(content)})
            content = json.dumps({"id": name, "sha": SHA, "siblings": files}).encode()
        self._send(200, content, {"ETag": '"1"', "X-Repo-Commit": SHA}, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@contextmanager
def serving() -> Iterator[str]:
    """The address of a running server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
