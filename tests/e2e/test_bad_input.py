"""Whatever a user hands over: one plain sentence that names value, place and remedy, the right exit code, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from droid_tune.cli import main
from droid_tune.paths import starter_model_dir

ROW = {"prompt": "What is one plus two?", "answer": "3"}
GOOD = json.dumps(ROW) + "\n"
SMALL = ("iterations=2", "batch_size=1", "group_size=2", "max_completion_length=4", "evaluation.rows=0")
TRAIN = ["train", *(word for setting in SMALL for word in ("--set", setting))]

Words = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Words:
    """Run a command: its exit code, and its last line on stderr."""

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return code, said.strip().splitlines()[-1] if said.strip() else ""

    return run


@pytest.fixture
def good_data(tmp_path: Path) -> Path:
    return data_folder(tmp_path / "good", {"train.jsonl": GOOD * 4})


def data_folder(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def model_folder(folder: Path) -> Path:
    """A copy of the starter model, to be spoilt."""
    shutil.copytree(starter_model_dir(), folder, copy_function=shutil.copyfile)
    return folder


def rewrite(file: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None takes one out."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


# -- data ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "The folder has no train file; add train.jsonl"),
        ({"valid.jsonl": GOOD}, "The folder has no train file; add train.jsonl"),
        ({"train.jsonl": ""}, "train.jsonl is empty; add rows to it."),
        ({"train.jsonl": '{"prompt": "x", answer: 3}\n'}, "train.jsonl:1: Its only row cannot be used: "),
        ({"train.jsonl": '{"prompt": "", "answer": "3"}\n'}, "`prompt` is blank"),
        ({"train.jsonl": '{"prompt": ["a"], "answer": "3"}\n'}, "`prompt` must be text or a list of messages"),
        ({"train.jsonl": '{"answer": "3"}\n'}, "prompt"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_trained_on_is_refused_before_a_run_exists(
    files: dict[str, str], sentence: str, tmp_path: Path, data_home: Path, say: Words
) -> None:
    folder = data_folder(tmp_path / "data", files)
    code, said = say(*TRAIN, "--data", str(folder))
    assert code == 1
    assert said.startswith(f"droid-tune: {folder}")
    assert sentence in said
    assert not (data_home / "runs").exists()
    assert {file.name: file.read_text() for file in folder.iterdir()} == files


@pytest.mark.parametrize(
    ("line", "place", "reason"),
    [
        ('{"prompt": "x", answer: 3}', "train.jsonl:2:17: ", "not valid JSON"),
        ('{"prompt": "x"}', "train.jsonl:2", "`answer`"),
        ('{"prompt": "", "answer": "3"}', "train.jsonl:2", "`prompt` is blank"),
        ('{"prompt": {"a": 1}, "answer": "3"}', "train.jsonl:2", "`prompt` must be text"),
        ("[1, 2]", "train.jsonl:2", "list"),
    ],
)
def test_a_bad_row_is_told_with_its_place_and_left_out(
    line: str, place: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_folder(tmp_path / "data", {"train.jsonl": f"{GOOD}{line}\n"})
    assert main(["validate", str(folder), "--method", "grpo"]) == 1
    said = capsys.readouterr().out
    assert place in said
    assert reason in said
    assert said.endswith("Rows that can be used: 1, left out: 1.\n")


def test_rows_left_out_are_told_when_the_run_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_folder(tmp_path / "data", {"train.jsonl": f"{GOOD}nonsense\n{GOOD}"})
    assert main([*TRAIN, "--data", str(folder), "--stop-after", "1", "--events"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (notice,) = [event for event in events if event.get("code") == "rows_rejected"]
    assert notice["text"].startswith(f"1 of 3 rows are left out. The first: {folder / 'train.jsonl'}:2: ")


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(tmp_path: Path, say: Words) -> None:
    row = json.dumps({"prompt": "one plus " * 400, "answer": "3"}) + "\n"
    folder = data_folder(tmp_path / "data", {"train.jsonl": row})
    code, said = say(*TRAIN, "--data", str(folder))
    assert code == 1
    assert "No row fits: the first has " in said
    assert "raise `max_seq_length`" in said


# -- models --------------------------------------------------------------------------------------------------------------


def no_config(model: Path) -> None:
    (model / "config.json").unlink()


def broken_config(model: Path) -> None:
    (model / "config.json").write_text('{"model_type":')


def no_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()


def half_the_weights(model: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])


def pickled(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def unknown_architecture(model: Path) -> None:
    rewrite(model / "config.json", model_type="flubber")


def own_code(model: Path) -> None:
    (model / "own.py").write_text(f"open({str(model / 'ran')!r}, 'w').close()\n")


def model_file(model: Path) -> None:
    own_code(model)
    rewrite(model / "config.json", model_file="own.py")


def auto_map(model: Path) -> None:
    own_code(model)
    rewrite(model / "config.json", auto_map={"AutoModelForCausalLM": "own.Model"})


def tokenizer_code(model: Path) -> None:
    own_code(model)
    rewrite(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]})


def no_tokenizer(model: Path) -> None:
    (model / "tokenizer.json").unlink()


def no_eos(model: Path) -> None:
    rewrite(model / "tokenizer_config.json", eos_token=None)
    rewrite(model / "config.json", eos_token_id=None)
    (model / "generation_config.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("spoil", "place", "sentence"),
    [
        (no_config, "", "config.json is missing; give a model folder in Hugging Face layout"),
        (broken_config, "/config.json", "not valid JSON"),
        (no_weights, "", "there are no weights (model*.safetensors); download the model again."),
        (half_the_weights, "/model.safetensors", "the file is cut off"),
        (pickled, "", "the weights are pickled, and a pickle can run any code"),
        (unknown_architecture, "/config.json", "not supported by mlx-lm (found 'flubber'); choose "),
        (model_file, "/config.json", "run its own Python code (`model_file`)"),
        (auto_map, "/config.json", "run its own Python code (`auto_map`)"),
        (tokenizer_code, "/tokenizer_config.json", "run its own Python code (`auto_map`)"),
        (no_tokenizer, "", "the tokenizer cannot be loaded"),
        (no_eos, "/tokenizer_config.json", "no end-of-sequence token, so no completion would ever end; set "),
    ],
)
def test_a_model_that_cannot_or_must_not_be_loaded_is_refused_and_never_run(
    spoil: Callable[[Path], None], place: str, sentence: str, tmp_path: Path, good_data: Path, say: Words
) -> None:
    model = model_folder(tmp_path / "model")
    spoil(model)
    code, said = say(*TRAIN, "--model", str(model), "--data", str(good_data))
    assert code == 1
    assert said.startswith(f"droid-tune: {model}{place}: ")
    assert sentence in said
    assert not (model / "ran").exists()


def test_chat_rows_need_a_chat_template(tmp_path: Path, say: Words) -> None:
    model = model_folder(tmp_path / "model")
    rewrite(model / "tokenizer_config.json", chat_template=None)
    for file in model.glob("chat_template*"):
        file.unlink()
    messages = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
    row = json.dumps({"messages": messages}) + "\n"
    folder = data_folder(tmp_path / "data", {"train.jsonl": row})
    words = ["train", "--method", "sft", "--set", "iterations=1", "--set", "evaluation.rows=0"]
    code, said = say(*words, "--model", str(model), "--data", str(folder))
    assert code == 1
    assert "no chat template" in said
    assert "choose" in said


# -- settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "grop_size=4"], "unknown setting `grop_size`; did you mean `group_size`?"),
        (["--set", "group_size=0"], "method.group_size: must be 2 or more (got 0)."),
        (["--method", "gpro"], "there is no `gpro`; choose one of grpo, "),
        (["--preset", "nope"], "There is no preset `nope`; choose one of "),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--config", "nowhere.yaml"], "nowhere.yaml cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_setting_is_wrong_usage(words: list[str], sentence: str, data_home: Path, say: Words) -> None:
    code, said = say("train", *words)
    assert code == 2
    assert sentence in said
    assert not (data_home / "runs").exists()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.yaml", "method: {type: grpo, betta: 1}\n", "method: unknown setting `betta`; did you mean `beta`?"),
        ("b.yaml", "method:\n  type: [grpo\n", "b.yaml:3:1: not valid YAML"),
        ("c.json", '{"method": {"type": "grpo",}}', "c.json:1:28: not valid JSON"),
        ("d.yaml", "- a\n", "must hold settings (`name: value` lines), not a list."),
        ("e.yaml", "version: 99\n", "comes from a newer Droid Tune"),
    ],
)  # fmt: skip
def test_a_bad_config_file_is_wrong_usage(
    name: str, text: str, sentence: str, tmp_path: Path, say: Words
) -> None:
    (tmp_path / name).write_text(text)
    code, said = say("train", "--config", str(tmp_path / name), "--dry-run")
    assert code == 2
    assert sentence in said


# -- runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run_folder(good_data: Path, data_home: Path, say: Words) -> Path:
    """A run that stopped after its first step."""
    assert say(*TRAIN, "--data", str(good_data), "--stop-after", "1")[0] == 0
    (folder,) = (data_home / "runs").iterdir()
    return folder


def test_a_run_of_a_newer_version_is_refused_and_left_as_it_is(run_folder: Path, say: Words) -> None:
    config = run_folder / "config.yaml"
    config.write_text(config.read_text().replace("version: 1", "version: 99", 1))
    before = contents(run_folder)
    for words in (["resume", run_folder.name], ["generate", "--run", run_folder.name, "--prompt", "x"]):
        code, said = say(*words)
        assert code == 1
        assert f"{config}: `version` 99 comes from a newer Droid Tune" in said
        assert said.endswith("update the application.")
    assert contents(run_folder) == before


def test_a_second_process_on_a_run_is_refused_with_the_first_ones_number(
    run_folder: Path, say: Words
) -> None:
    # A lock belongs to an open file: this process can hold the first one itself.
    from droid_tune.runs.disk.lock import RunLock

    with RunLock(run_folder / "lock"):
        before = contents(run_folder)
        code, said = say("resume", run_folder.name)
        assert code == 1
        assert f"is being trained by another Droid Tune (process {os.getpid()}); stop it there first." in said
        assert contents(run_folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_unwritable_data_home_is_told_with_its_path(tmp_path: Path, good_data: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    done = as_someone_without_rights([*TRAIN, "--data", str(good_data)], home)
    assert done.returncode == 1
    assert done.stderr.strip().startswith(f"droid-tune: {home}/runs")
    assert done.stderr.strip().endswith(
        "cannot be written (Permission denied); choose a folder that you may write to."
    )


def as_someone_without_rights(words: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it: file modes hold even where the tests run as root."""
    command = [sys.executable, "-m", "droid_tune", *words]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("as root, file modes hold only without root's capabilities (setpriv)")
        command = [setpriv, "--bounding-set", "-all", "--inh-caps", "-all", *command]
    environment = {**os.environ, "DROID_TUNE_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Generator[Path]:
    """A disk of that size; skips where none may be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("a small disk can only be mounted by root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(disk: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)


def test_a_full_disk_ends_the_run_with_its_last_checkpoint_intact(
    tmp_path: Path, good_data: Path, monkeypatch: pytest.MonkeyPatch, say: Words
) -> None:
    with small_disk(tmp_path / "disk", kilobytes=600) as disk:
        monkeypatch.setenv("DROID_TUNE_HOME", str(disk))
        more = ["--data", str(good_data), "--set", "iterations=30", "--set", "save_every=1"]
        code, said = say(*TRAIN, *more)
        assert code == 1
        assert "No space is left on the disk that holds " in said
        assert "; free some and resume the run. The steps up to " in said
        (run,) = (disk / "runs").iterdir()
        resize(disk, kilobytes=20_000)
        assert say("resume", run.name, "--stop-after", "1")[0] == 0
