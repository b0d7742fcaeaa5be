"""Models searched for and fetched from the Hub, on a server that speaks its language."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from droid_tune.control import Watch
from droid_tune.errors import DiskError, Stopped, UserError
from droid_tune.model_files.from_hub import hub_download
from droid_tune.model_files.from_hub.hub_download import download_model, forget_parts
from droid_tune.model_files.from_hub.hub_search import HubModel, search_models
from droid_tune.model_files.hub import cached_snapshot, resolve_model
from tests.hub_server import TINY, HubState, bytes_of, in_place_of_the_hub

SIZE = 300_000


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubState]:
    monkeypatch.setattr(hub_download, "_BLOCK_BYTES", 10_000)
    with in_place_of_the_hub(monkeypatch, str(tmp_path / "cache")) as state:
        yield state


def pausing(at: int) -> Watch:
    """Stops as soon as so many bytes are here."""
    told: list[int] = []

    def progress(done: int, total: int, what: str) -> None:
        told.append(done)

    return Watch(progress, lambda: bool(told) and told[-1] >= at)


def parts(cache: Path) -> list[int]:
    return [file.stat().st_size for file in cache.rglob("*.part")]


class TestSearch:
    def test_it_tells_size_quantisation_and_downloads(self, hub: HubState) -> None:
        assert search_models("tiny") == [
            HubModel("org/tiny", 1200, weight_bytes=60_000 * 4 + 30_000 * 2, bits=4)
        ]
        assert search_models("tiny")[0].detail() == "300 KB · 4 bits · 1,200 downloads"
        asked = hub.searches[0]
        assert asked["search"] == ["tiny"]
        assert asked["sort"] == ["downloads"]

    def test_what_is_not_told_is_not_made_up(self) -> None:
        gated, silent = (search_models(name)[0] for name in ("gated", "silent"))
        assert gated.detail() == "size not told · 800 downloads · gated"
        assert silent.detail() == "size not told · 3 downloads"

    def test_without_a_network_one_sentence_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(UserError, match="cannot be reached; check the internet connection"):
            search_models("tiny")

    def test_a_hub_that_asks_to_wait_is_said(self, hub: HubState) -> None:
        hub.status = 429
        with pytest.raises(UserError, match="was asked too often; wait a minute and try again"):
            search_models("tiny")

    def test_nobody_waits_for_an_answer_that_is_not_wanted_any_more(self) -> None:
        with pytest.raises(Stopped):
            search_models("tiny", Watch(should_stop=lambda: True))


class TestDownload:
    def test_the_files_that_are_loaded_arrive_and_the_engine_finds_them(self, tmp_path: Path) -> None:
        told: list[tuple[int, int]] = []
        folder = download_model("org/tiny", watch=Watch(lambda done, total, _: told.append((done, total))))
        assert (folder / "model.safetensors").read_bytes() == bytes_of("model.safetensors", SIZE)
        assert json.loads((folder / "config.json").read_text()) == TINY
        assert not (folder / "optimizer.safetensors").exists()
        total = SIZE + len(json.dumps(TINY))
        assert told[-1] == (total, total)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert cached_snapshot("org/tiny") == folder == resolve_model("org/tiny")
        assert parts(tmp_path) == []

    def test_a_pause_keeps_what_is_here_and_a_resume_asks_for_the_rest(
        self, tmp_path: Path, hub: HubState
    ) -> None:
        with pytest.raises(Stopped):
            download_model("org/tiny", watch=pausing(120_000))
        (kept,) = parts(tmp_path)
        assert 100_000 < kept < SIZE
        folder = download_model("org/tiny")
        assert hub.ranges == [f"bytes={kept}-"]
        assert (folder / "model.safetensors").read_bytes() == bytes_of("model.safetensors", SIZE)

    def test_a_run_that_is_stopped_while_its_model_comes_goes_on_where_it_was(
        self, tmp_path: Path, hub: HubState
    ) -> None:
        with pytest.raises(Stopped):
            resolve_model("org/tiny", watch=pausing(120_000))
        (kept,) = parts(tmp_path)
        assert 100_000 < kept < SIZE
        resolve_model("org/tiny")
        assert hub.ranges == [f"bytes={kept}-"]

    def test_a_model_that_is_here_needs_no_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = resolve_model("org/tiny")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert resolve_model("org/tiny") == folder
        (folder / "model.safetensors").unlink()
        with pytest.raises(
            UserError, match="is not on this computer and the Hugging Face Hub cannot be reached"
        ):
            resolve_model("org/tiny")

    def test_a_line_that_is_cut_is_said_and_gone_on_with(self, tmp_path: Path, hub: HubState) -> None:
        hub.drops_after = 150_000
        with pytest.raises(
            UserError, match="once you are connected, download it again: it goes on where it was"
        ):
            download_model("org/tiny")
        assert parts(tmp_path) == [150_000]
        download_model("org/tiny")
        assert hub.ranges == ["bytes=150000-"]

    def test_cancel_lets_go_of_what_is_half_here(self, tmp_path: Path) -> None:
        with pytest.raises(Stopped):
            download_model("org/tiny", watch=pausing(120_000))
        forget_parts("org/tiny")
        assert parts(tmp_path) == []

    def test_other_bytes_than_the_hub_says_are_no_model(self, tmp_path: Path, hub: HubState) -> None:
        hub.lies = True
        with pytest.raises(UserError, match=r"model\.safetensors came with other bytes"):
            download_model("org/tiny")
        assert parts(tmp_path) == []
        assert not list(tmp_path.rglob("model.safetensors"))

    def test_room_is_looked_for_before(self, tmp_path: Path) -> None:
        with pytest.raises(DiskError, match=r"the model org/large takes 141 GB"):
            download_model("org/large")
        assert not list(tmp_path.rglob("*.safetensors"))

    def test_what_is_half_here_needs_no_room_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(Stopped):
            download_model("org/tiny", watch=pausing(200_000))
        usage = shutil.disk_usage(tmp_path)
        free: Callable[[object], object] = lambda _: usage._replace(free=150_000)  # noqa: E731
        monkeypatch.setattr("droid_tune.runs.disk.durable.shutil.disk_usage", free)
        download_model("org/tiny")

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            (
                "org/gated",
                "it is gated: its owner wants you to agree to terms first; agree on huggingface.co/org/gated",
            ),
            ("org/missing", "the Hugging Face Hub has no such model, or it is private; check the spelling"),
        ],
    )
    def test_why_not_is_said_in_plain_words(self, name: str, said: str) -> None:
        with pytest.raises(UserError) as caught:
            download_model(name)
        assert said in str(caught.value)
        with pytest.raises(UserError) as refused:
            resolve_model(name)
        assert said in str(refused.value)

    def test_offline_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(UserError, match="The Hugging Face Hub cannot be reached"):
            download_model("org/tiny")
