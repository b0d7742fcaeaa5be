"""Data sets of the Hub, against a server on this machine that speaks its API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from droid_tune.control import Watch
from droid_tune.data.dataset import open_dataset
from droid_tune.data.reading.hub_dataset import HubReference, choose, fetch
from droid_tune.data.splits import DataFile, Split
from droid_tune.errors import Stopped, UserError
from tests.engine.data.parquet_files import parquet_bytes

SHA = "0123456789abcdef0123456789abcdef01234567"
ROW = b'{"prompt": "2 + 3?", "answer": "5"}\n'
FILES = {
    "org/plain": {"README.md": b"hello", "data/train.jsonl": ROW * 3, "data/test.jsonl": ROW},
    "org/many": {"easy/train.jsonl": ROW, "hard/train.jsonl": ROW * 2},
    "org/kinds": {
        "data/train_sft-00000-of-00002-a3ecf92756993583.jsonl": ROW,
        "data/train_sft-00001-of-00002-0a1836d3a10ea0d5.jsonl": ROW,
        "data/test_sft-00000-of-00001-f7dfac4afe5b93f4.jsonl": ROW * 2,
        "data/train_gen-00000-of-00001-13a63f8ecb2a9f9e.jsonl": ROW * 3,
    },
    "org/digests": {"data/train-00000-of-00001-6ef3991c06080e14.jsonl": ROW, "extra_train.jsonl": ROW * 2},
    "org/pictures": {"a.png": b"..."},
    "org/audio": {"a.wav": b"..."},
}
CONVERTED = {"org/audio": {"default/train/0000.jsonl": ROW, "default/validation/0000.jsonl": ROW}}
REFUSED = {
    "org/gated": (403, "GatedRepo"),
    "org/missing": (404, "RepoNotFound"),
    "org/busy": (429, ""),
    "org/down": (503, ""),
}


class Hub(BaseHTTPRequestHandler):
    """`/api/datasets/ID[/revision/REV]` and `/datasets/ID/resolve/REV/FILE`, as the Hub answers them."""

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, *, body: bool) -> None:
        parts = [unquote(part) for part in self.path.split("?")[0].strip("/").split("/")]
        is_api = parts[0] == "api"
        repo = "/".join(parts[2:4] if is_api else parts[1:3])
        if repo in REFUSED:
            status, code = REFUSED[repo]
            self.send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": "no"}, body)
        elif is_api:
            self.info(repo, "/".join(parts[5:]) or "main", body)
        else:
            self.file(repo, parts[4:], body)

    def info(self, repo: str, revision: str, body: bool) -> None:
        files = CONVERTED.get(repo) if revision == "refs/convert/parquet" else FILES[repo]
        if files is None or revision == "gone":
            self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
            return
        told = {"id": repo, "sha": SHA, "siblings": [{"rfilename": name} for name in files]}
        self.send(200, json.dumps(told).encode(), {"Content-Type": "application/json"}, body)

    def file(self, repo: str, parts: list[str], body: bool) -> None:
        name = "/".join(parts[1:])
        content = {**FILES[repo], **CONVERTED.get(repo, {})}[name]
        self.send(200, content, {"ETag": f'"{hash(content)}"', "X-Repo-Commit": SHA}, body)

    def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def names(files: list[DataFile]) -> list[tuple[str, str]]:
    return [(one.path.name, one.split) for one in files]


def test_the_hubs_own_parquet_is_opened_with_its_splits(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    turns = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
    converted = {
        "default/train/0000.parquet": parquet_bytes([{"messages": turns}] * 3),
        "default/train/0001.parquet": parquet_bytes([{"messages": turns}]),
        "default/validation/0000.parquet": parquet_bytes([{"messages": turns}] * 2),
    }
    monkeypatch.setitem(CONVERTED, "org/audio", converted)
    files = fetch(HubReference("org/audio"), endpoint=endpoint, cache_dir=tmp_path)
    by_split: dict[Split, list[str | Path]] = {}
    for one in files:
        by_split.setdefault(one.split, []).append(one.path)
    data = open_dataset("hub:org/audio", "sft", files=by_split)
    assert (len(data.train), len(data.valid)) == (4, 2)
    assert data.row(3)["messages"] == turns


def test_an_id_may_carry_a_configuration_and_a_revision():
    assert HubReference.of("hub:org/name:main@v1") == HubReference("org/name", "main", "v1")
    assert HubReference.of("https://huggingface.co/datasets/org/name") == HubReference("org/name")


def test_files_are_found_downloaded_and_reported(endpoint: str, tmp_path: Path):
    heard: list[tuple[int, int, str]] = []
    files = fetch(
        HubReference("org/plain"),
        endpoint=endpoint,
        cache_dir=tmp_path,
        watch=Watch(lambda *said: heard.append(said)),
    )
    assert names(files) == [("train.jsonl", "train"), ("test.jsonl", "test")]
    assert files[0].path.read_bytes() == ROW * 3
    assert (len(ROW) * 3, len(ROW) * 3, "data/train.jsonl") in heard


def test_what_we_cannot_read_comes_as_the_hubs_conversion(endpoint: str, tmp_path: Path):
    files = fetch(HubReference("org/audio"), endpoint=endpoint, cache_dir=tmp_path)
    assert names(files) == [("0000.jsonl", "train"), ("0000.jsonl", "valid")]


def test_a_configuration_must_be_clear(endpoint: str, tmp_path: Path):
    with pytest.raises(
        UserError, match="has 2 configurations; choose one as hub:org/many:NAME of easy, hard"
    ):
        fetch(HubReference("org/many"), endpoint=endpoint, cache_dir=tmp_path)
    files = fetch(HubReference("org/many", "hard"), endpoint=endpoint, cache_dir=tmp_path)
    assert files[0].path.read_bytes() == ROW * 2


def test_words_beside_the_split_in_file_names_are_the_configuration(endpoint: str, tmp_path: Path):
    with pytest.raises(UserError, match="2 configurations; choose one as hub:org/kinds:NAME of gen, sft"):
        fetch(HubReference("org/kinds"), endpoint=endpoint, cache_dir=tmp_path)
    files = fetch(HubReference("org/kinds", "sft"), endpoint=endpoint, cache_dir=tmp_path)
    assert [(one.path.read_bytes(), one.split) for one in files] == [
        (ROW, "train"),
        (ROW, "train"),
        (ROW * 2, "test"),
    ]


def test_a_name_that_is_a_splits_own_goes_first(endpoint: str, tmp_path: Path):
    [file] = fetch(HubReference("org/digests"), endpoint=endpoint, cache_dir=tmp_path)
    assert (file.path.read_bytes(), file.split) == (ROW, "train")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("org/gated", "accept its terms; open its page"),
        ("org/missing", "There is no data set org/missing, or it is private"),
        ("org/busy", "too many requests"),
        ("org/down", r"answered with an error \(503\)"),
        ("org/pictures", "has no files that we read"),
        ("org/plain@gone", "has no revision `gone`"),
        ("a b c/d/e", "is no id of a data set"),
    ],
)
def test_every_refusal_is_one_plain_sentence(endpoint: str, tmp_path: Path, reference: str, said: str):
    with pytest.raises(UserError, match=said) as caught:
        fetch(HubReference.of(reference), endpoint=endpoint, cache_dir=tmp_path)
    assert str(caught.value).startswith("Hugging Face Hub: ")
    assert "\n" not in str(caught.value)


def test_without_a_connection_the_cache_answers(endpoint: str, tmp_path: Path):
    nowhere = "http://127.0.0.1:9"
    with pytest.raises(
        UserError, match="no connection to the Hugging Face Hub, and org/plain was not downloaded"
    ):
        fetch(HubReference("org/plain"), endpoint=nowhere, cache_dir=tmp_path)
    fetch(HubReference("org/plain"), endpoint=endpoint, cache_dir=tmp_path)
    assert names(fetch(HubReference("org/plain"), endpoint=nowhere, cache_dir=tmp_path))[0] == (
        "train.jsonl",
        "train",
    )


def test_a_download_can_be_stopped(endpoint: str, tmp_path: Path):
    with pytest.raises(Stopped):
        fetch(
            HubReference("org/plain"),
            endpoint=endpoint,
            cache_dir=tmp_path,
            watch=Watch(should_stop=lambda: True),
        )


def test_shards_and_folders_name_their_splits():
    files = [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/validation-00000-of-00001.parquet",
    ]
    assert [split for _name, split in choose(files, HubReference("x/y"))] == ["train", "train", "valid"]
