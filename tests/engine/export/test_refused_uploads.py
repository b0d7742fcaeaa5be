"""An upload that is refused, cut off or full: one sentence, the folder kept, the next try succeeds; by the Hub's own library."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from droid_tune.control import Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.export.targets import hub_repository
from droid_tune.export.targets.hub_repository import upload

#: the library gives its client raw bytes by an old name (huggingface_hub 2.4 with httpx2 2.16)
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

#: what a path asks for, by a part of it, in the order in which an upload asks
STAGES = {
    "/repos/create": "create",
    "/preupload/": "preupload",
    "/info/lfs": "batch",
    "/put/": "put",
    "/validate-yaml": "card",
    "/commit/": "commit",
}
WEIGHTS = b"weights" * 100_000


class Receiver(BaseHTTPRequestHandler):
    """The Hub's API as far as an upload asks; `fault` is what the stage `at` is answered with, as long as it is set."""

    protocol_version = "HTTP/1.1"
    at, fault = "", 0
    asked: list[str]
    received: dict[str, bytes]

    def do_POST(self) -> None:
        stage = next((name for part, name in STAGES.items() if part in self.path), "other")
        self.asked.append(stage)
        length = int(self.headers.get("Content-Length") or 0)
        if stage == self.at and not self.fault:  # the line is cut in the middle
            self.rfile.read(min(length, 10))
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if stage == self.at:
            self._answer(self.fault, {"error": "no"})
            return
        if stage == "put":
            self.received[self.path] = body
        self._answer(404 if stage == "other" else 200, self._said(stage, body))

    def do_PUT(self) -> None:
        self.do_POST()

    def do_GET(self) -> None:
        self.do_POST()

    def _said(self, stage: str, body: bytes) -> dict[str, Any]:
        here = f"http://{self.headers['Host']}"
        match stage:
            case "create":
                return {"url": f"{here}/me/model"}
            case "preupload":
                modes = {True: "lfs", False: "regular"}
                files = [one["path"] for one in json.loads(body)["files"]]
                told = [{"path": path, "uploadMode": modes[path.endswith("safetensors")]} for path in files]
                return {"files": [{**one, "shouldIgnore": False} for one in told]}
            case "batch":
                place = [(one, f"{here}/put/{one['oid']}") for one in json.loads(body)["objects"]]
                told = [{**one, "actions": {"upload": {"href": href}}} for one, href in place]
                return {"transfer": "basic", "objects": told}
            case "commit":
                return {"success": True, "commitUrl": f"{here}/me/model/commit/1", "commitOid": "1" * 40}
            case _:
                return {}

    def _answer(self, status: int, said: object) -> None:
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The library's client at such a server; it does not wait between its tries, and sends large files by plain HTTP."""
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    patient = SimpleNamespace(**{**vars(time), "sleep": bool})
    monkeypatch.setattr("huggingface_hub.utils._http.time", patient)
    Receiver.at, Receiver.fault, Receiver.asked, Receiver.received = "", 0, [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield HfApi(endpoint=f"http://127.0.0.1:{server.server_port}", token="hf_secret")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What was exported."""
    made = tmp_path / "out"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "README.md").write_text("# A model")
    (made / "model.safetensors").write_bytes(WEIGHTS)
    return made


SAID = {
    401: "the Hugging Face Hub refused the token; `hf auth login` with a token that may write; the folder is kept.",
    403: "the Hugging Face Hub refused the token; `hf auth login` with a token that may write; the folder is kept.",
    429: "the Hugging Face Hub was asked too often; the folder is kept; upload it again in some minutes.",
    500: "the Hugging Face Hub refused the upload (500); the folder is kept; upload it again.",
    507: "the Hugging Face Hub refused the upload (507); the folder is kept; upload it again.",
    0: "the Hugging Face Hub cannot be reached; the folder is kept; upload it later.",
}


#: tried each time; the others with the catalogue
USUAL = {("create", 401), ("put", 0), ("commit", 429)}
POINTS = [
    pytest.param(stage, fault, marks=[] if (stage, fault) in USUAL else [pytest.mark.faults])
    for stage in ("create", "preupload", "batch", "put", "commit")
    for fault in SAID
]


@pytest.mark.parametrize(("stage", "fault"), POINTS)
def test_a_refused_upload_is_one_sentence_and_the_next_try_succeeds(
    stage: str, fault: int, hub: Any, folder: Path
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    Receiver.at, Receiver.fault = stage, fault
    with pytest.raises(UserError) as refused:
        upload(folder, "me/model", api=hub)
    assert str(refused.value) == f"me/model: {SAID[fault]}"
    assert "commit" not in Receiver.asked or stage == "commit"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    Receiver.at = ""
    assert upload(folder, "me/model", api=hub).endswith("/me/model")
    assert list(Receiver.received.values())[-1:] == [WEIGHTS]
    assert Receiver.asked[-1] == "commit"


def test_an_answer_that_cannot_be_read_is_a_sentence(hub: Any, folder: Path) -> None:
    Receiver.at, Receiver.fault = "create", 409  # as if it were there already, without saying where
    with pytest.raises(
        UserError, match=r"^me/model: the Hugging Face Hub answered what cannot be read \(KeyError"
    ):
        upload(folder, "me/model", api=hub)


class Refusing:
    """Stands for the library; raises what it is given once a large file is sent."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def create_repo(self, *_: Any, **__: Any) -> str:
        return "address"

    def preupload_lfs_files(self, *_: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("HTTP status client error (403 Forbidden), domain: x/xet-write-token", SAID[403]),
        ("HTTP status server error (500 Internal Server Error), domain: x", SAID[500]),
        ("HTTP status client error (429 Too Many Requests), domain: x", SAID[429]),
        ("error sending request", SAID[0]),
    ],
)
def test_what_the_part_for_large_files_says_is_told_apart_too(words: str, said: str, folder: Path) -> None:
    """hf_xet raises Python's own ConnectionError, whatever it was (1.8.0)."""
    with pytest.raises(UserError) as refused:
        upload(folder, "me/model", api=Refusing(ConnectionError(f"Network error: Request error: {words}")))
    assert str(refused.value) == f"me/model: {said}"


def test_a_full_disk_while_a_file_is_packed_is_a_sentence(folder: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(
        UserError, match=r"the upload failed: No space left on device; look whether .* disk has room"
    ):
        upload(folder, "me/model", api=Refusing(full))


def test_a_folder_that_went_away_is_a_sentence(
    hub: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hub_repository.files_to_upload(folder)
    (folder / "model.safetensors").unlink()
    monkeypatch.setattr(hub_repository, "files_to_upload", {folder: found}.get)
    with pytest.raises(UserError, match=r"^me/model: "):
        upload(folder, "me/model", api=hub)


def test_stop_does_not_wait_for_a_large_file(folder: Path) -> None:
    sent, ended = threading.Event(), threading.Event()

    class Slow(Refusing):
        def preupload_lfs_files(self, *_: Any) -> None:
            sent.set()
            ended.wait()

    try:
        with pytest.raises(Stopped):
            upload(folder, "me/model", watch=Watch(should_stop=sent.is_set), api=Slow(OSError()))
    finally:
        ended.set()
