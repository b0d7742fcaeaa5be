"""Ollama, LM Studio, the Hub: what is written for each, and what leaves this machine only after a yes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from droid_tune.cli import main
from droid_tune.config import resolve
from droid_tune.config.exporting import ExportRequest, usual_place
from droid_tune.config.prompt_options import mlx_options
from droid_tune.control import Watch
from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.errors import Stopped, UserError
from droid_tune.export.checking.fresh_process import run_program
from droid_tune.export.learnt_prompt import prompt_notes
from droid_tune.export.result import export_run
from droid_tune.export.targets import hub_repository, ollama_model
from droid_tune.export.targets.hub_repository import upload
from droid_tune.export.targets.ollama_template import ollama_template
from droid_tune.model_files.ready_folder import files_to_upload
from droid_tune.model_files.tokenizer import load_tokenizer

CHATML = """{{ if not .System }}<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
{{ end }}{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system
{{ .Content }}<|im_end|>
{{ else if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ .Content }}<|im_end|>
{{ end }}{{ end }}<|im_start|>assistant
"""


# --- Ollama ---------------------------------------------------------------------------------------------------------


def test_a_template_comes_apart_into_the_words_around_each_turn(project_root: Path) -> None:
    starter = ChatTemplate.of(load_tokenizer(project_root / "resources" / "starter"))
    assert ollama_template(starter, "") == (
        '{{ range .Messages }}{{ if eq .Role "system" }}<|system|>{{ .Content }}<|end|>'
        '{{ else if eq .Role "user" }}<|user|>{{ .Content }}<|end|>'
        '{{ else if eq .Role "assistant" }}<|assistant|>{{ .Content }}<|end|>{{ end }}{{ end }}<|assistant|>'
    )


def test_a_system_text_of_the_templates_own_is_written_where_none_is_given(smol_model: Path) -> None:
    found = ollama_template(ChatTemplate.of(load_tokenizer(smol_model)), "")
    assert found == CHATML


def test_an_answer_that_is_asked_for_may_begin_otherwise_than_one_that_is_there(stories_model: Path) -> None:
    found = ollama_template(ChatTemplate.of(load_tokenizer(stories_model)), "")
    assert found is not None
    assert '"assistant" }}Assistant: {{ .Content }}\n{{ end }}' in found
    assert found.endswith("{{ end }}{{ end }}Assistant:")  # no space: the model begins with one


def test_a_template_that_is_no_row_of_turns_is_left_out(shared_dir: Path) -> None:
    mistral = ChatTemplate.of(load_tokenizer(shared_dir / "tokenizers" / "mistral_nemo"))
    assert ollama_template(mistral, "<s>") is None  # its system text stands in the last user's turn


def test_thinking_stands_in_the_template_as_the_run_switched_it(shared_dir: Path) -> None:
    qwen = ChatTemplate.of(load_tokenizer(shared_dir / "tokenizers" / "qwen3"))
    off = ollama_template(qwen, "", {"enable_thinking": False})
    assert off is not None
    assert off.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_what_a_model_learnt_behind_and_no_file_holds_is_told(shared_dir: Path) -> None:
    policy: Any = SimpleNamespace(tokenizer=load_tokenizer(shared_dir / "tokenizers" / "qwen3"))
    data = {"system_prompt": "Be brief.", "thinking": "off"}
    told = prompt_notes(resolve({"method": "sft", "data": data}), policy)
    assert [note.split(",")[0] for note in told] == [
        "It learnt behind the system prompt of its run ('Be brief.')",
        "It learnt with thinking switched off",
    ]
    assert prompt_notes(resolve({"method": "sft"}), policy) == []
    assert mlx_options(resolve({"method": "sft", "data": data}).data) == [
        *("--system-prompt", "Be brief.", "--chat-template-config", '{"enable_thinking": false}')
    ]


@pytest.mark.usefixtures("opened_here")
def test_ollama_is_handed_the_model_where_it_is_installed(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ollama_model.shutil, "which", lambda name: f"/bin/{name}")
    run: list[list[str]] = []
    monkeypatch.setattr(ollama_model, "run_program", lambda command, watch: run.append(list(command)))
    exported = export_run(learnt_run, ExportRequest("ollama", tmp_path / "out", check=0))
    assert run == [["ollama", "create", "sft-starter", "-f", str(tmp_path / "out" / "Modelfile")]]
    assert exported.notes[-1] == "Ollama has it as `sft-starter`."
    lines = (tmp_path / "out" / "Modelfile").read_text().splitlines()
    assert lines[0] == "FROM ./sft-starter.gguf"
    assert lines[1].startswith('TEMPLATE """{{ range .Messages }}')
    assert lines[2:] == ['PARAMETER stop "<|end|>"', "PARAMETER num_ctx 256"]


@pytest.mark.usefixtures("opened_here")
@pytest.mark.parametrize("installed", [False, True])
def test_without_ollama_the_folder_is_kept_with_the_command(
    installed: bool, learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(command: Any, watch: Any) -> None:
        raise UserError("it cannot be opened: no server")

    monkeypatch.setattr(ollama_model.shutil, "which", lambda name: "/bin/ollama" if installed else None)
    monkeypatch.setattr(ollama_model, "run_program", refuses)
    exported = export_run(learnt_run, ExportRequest("ollama", tmp_path / "out", check=0))
    assert f"ollama create sft-starter -f {tmp_path}/out/Modelfile" in exported.notes[-1]
    assert (tmp_path / "out" / "sft-starter.gguf").is_file()


def test_a_program_that_cannot_be_started_is_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "ollama"
    broken.write_text("")
    with pytest.raises(UserError, match=f"^{broken} cannot be started: Permission denied"):
        run_program([str(broken), "create"])


def test_a_program_that_the_same_stop_ended_is_no_fault_of_what_was_written() -> None:
    ends_itself = [sys.executable, "-c", "raise KeyboardInterrupt"]
    with pytest.raises(UserError, match="cannot be opened"):
        run_program(ends_itself)
    with pytest.raises(Stopped):
        run_program(ends_itself, Watch(should_stop=lambda: True))


# --- LM Studio ------------------------------------------------------------------------------------------------------


def test_lm_studio_finds_it_under_publisher_and_name(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    place = tmp_path / ".lmstudio" / "models" / "droid-tune" / "sft-starter"
    assert usual_place("lmstudio", "sft-starter") == place
    assert main(["export", str(learnt_run), "--to", "lmstudio", "--check", "0"]) == 0
    assert (place / "config.json").is_file()
    assert "droid-tune/sft-starter, under My Models" in capsys.readouterr().err


def test_lm_studio_is_told_of_by_publisher_and_name_from_inside_the_folder(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "publisher").mkdir()
    monkeypatch.chdir(tmp_path / "publisher")
    assert main(["export", str(learnt_run), "--to", "lmstudio", "--check", "4", "--out", "name"]) == 0
    said = capsys.readouterr().err
    assert "publisher/name, under My Models" in said
    assert said.count("asking the run's model ...") == 1  # however many rows it is asked


# --- the Hub --------------------------------------------------------------------------------------------------------


class FakeHub:
    """Remembers what it is asked; `failure` is raised by the next call that sends something."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.private: bool | None = None
        self.sent: list[str] = []
        self.committed: list[str] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        self.private = private
        return f"https://hub/{repo_id}"

    def preupload_lfs_files(self, repo_id: str, additions: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent += [one.path_in_repo for one in additions]

    def create_commit(self, repo_id: str, operations: Any, *, commit_message: str) -> None:
        self.committed = [one.path_in_repo for one in operations]


@pytest.fixture
def ready(learnt_run: Path, tmp_path: Path) -> Path:
    return export_run(learnt_run, ExportRequest("hub", tmp_path / "out", check=0)).folder


def test_the_card_tells_model_data_method_and_settings_and_no_folder_of_this_machine(ready: Path) -> None:
    card = (ready / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: mlx\n")
    assert (
        "Trained with Droid Tune from `starter` on `sample` by SFT; the weights are those after 3 steps."
        in card
    )
    assert "| learning_rate | `0.01` |" in card
    assert str(ready.parent) not in card


def test_an_upload_is_private_and_one_commit_behind_the_files(ready: Path) -> None:
    hub = FakeHub()
    assert upload(ready, "me/model", api=hub) == "https://hub/me/model"
    names = [one.name for one in files_to_upload(ready)]
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= set(names)
    assert (hub.private, hub.sent, hub.committed) == (True, names, names)
    upload(ready, "me/model", public=True, api=hub)
    assert hub.private is False


def test_an_ended_upload_shows_nobody_half_a_model(ready: Path) -> None:
    hub = FakeHub()
    with pytest.raises(Stopped):
        upload(ready, "me/model", watch=Watch(should_stop=lambda: len(hub.sent) == 2), api=hub)
    assert (len(hub.sent), hub.committed) == (2, [])
    assert ready.is_dir()


class NoRouteError(ConnectionError):
    """As an HTTP client's own."""


def http_error(status: int) -> Exception:
    from huggingface_hub.errors import HfHubHTTPError

    error = HfHubHTTPError.__new__(HfHubHTTPError)
    Exception.__init__(error, "refused")
    error.response = SimpleNamespace(status_code=status)  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (NoRouteError("no route"), "cannot be reached; the folder is kept; upload it later"),
        (http_error(401), "refused the token; `hf auth login` with a token that may write"),
        (http_error(403), "refused the token"),
        (http_error(500), r"refused the upload \(500\); the folder is kept"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(failure: Exception, said: str, ready: Path) -> None:
    with pytest.raises(UserError, match=f"^me/model: .*{said}"):
        upload(ready, "me/model", api=FakeHub(failure))
    assert ready.is_dir()


def test_nothing_is_uploaded_without_a_yes(
    learnt_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hub_repository, "upload", lambda *rest, **named: asked.append(rest[1]) or "address")
    words = ["export", str(learnt_run), "--to", "hub", "--repository", "me/model", "--check", "0"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    told = capsys.readouterr().err
    assert "  model.safetensors  " in told
    assert "to me/model (private)? [y/N]" in told
    assert "nothing was uploaded; the folder is kept" in told
    assert asked == []
    assert main([*words, "--out", str(tmp_path / "two"), "--yes"]) == 0
    assert asked == ["me/model"]
    assert main(["export", str(learnt_run), "--to", "hub", "--out", str(tmp_path / "three")]) == 2
    assert main([*words[:-4], "--repository", "no name", "--out", str(tmp_path / "three")]) == 2
    assert "owner/name (found 'no name')" in capsys.readouterr().err
    assert main(["export", str(learnt_run), "--out", str(tmp_path / "three"), "--public"]) == 2
    assert "`--public` goes with `--to hub` (found 'adapter')" in capsys.readouterr().err
    assert not (tmp_path / "three").exists()
    weights = tmp_path / "one" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert main([*words, "--out", str(tmp_path / "one"), "--yes"]) == 0  # what was kept is uploaded as it is
    assert "It was written before" in capsys.readouterr().err
    assert (asked, weights.stat().st_mtime_ns) == (["me/model", "me/model"], written)
    other = [*words, "--out", str(tmp_path / "one"), "--dequantise"]
    assert main(other) == 1
    assert "is not empty" in capsys.readouterr().err
