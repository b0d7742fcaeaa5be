"""`droid-tune rollouts` finds, shows and takes out what the window does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli.entry import main
from droid_tune.config import dump_yaml, resolve
from droid_tune.events import PlayedTurn, RolloutGroup
from droid_tune.paths import HOME_VARIABLE
from tests.engine.runs.test_completions import RUN, written


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(dump_yaml(resolve({"method": "grpo"})))
    written(folder / "rollouts.jsonl", RUN)
    return folder


def test_completions_are_found_by_bounds_and_told_with_reasons(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["rollouts", str(run_folder), "--where", "reward=1:", "--where", "step=2", "--sort", "length"]
    assert main([*given, "--descending", "--limit", "1", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["completion"], told["reasons"]) == ("say 2 0 2", {"accuracy": "because 2"})
    assert main([*given, "--search", "2 0 1"]) == 0
    said = capsys.readouterr()
    assert ("say 2 0 1" in said.out, "1 of 1 completion" in said.err) == (True, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--where", "tone=1"], "completions have no `tone`; they have step, row, reward"),
        (["--sort", "tone"], "completions have no `tone`"),
        (["--where", "reward=high"], "`reward=high` needs numbers"),
        (["--where", "reward"], "`reward` needs numbers"),
        (["--winners"], "--to: a new folder is needed"),
    ],
)
def test_a_name_that_no_completion_has_is_refused(
    run_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["rollouts", str(run_folder), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_prompts_winners_and_data_without_the_hopeless(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollouts", str(run_folder), "--prompts"]) == 0
    assert "1 solved, 1 hopeless of 2 prompts" in capsys.readouterr().err
    assert main(["rollouts", str(run_folder), "--winners", "--to", str(tmp_path / "sft")]) == 0
    (row,) = map(json.loads, (tmp_path / "sft" / "train.jsonl").read_text().splitlines())
    assert row["completion"] == "say 2 0 0"
    assert main(["rollouts", str(run_folder), "--drop", "hopeless", "--to", str(tmp_path / "left")]) == 0
    assert "Leaves out 1 train row that this run found hopeless." in capsys.readouterr().err


def test_episodes_are_taken_out_with_their_turns_and_never_as_rows_without_them(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last answer alone would teach to answer without the tools."""
    turns = [
        PlayedTurn(role="assistant", text="The price first."),
        PlayedTurn(role="tool", text="38", name="price"),
        PlayedTurn(role="assistant", text="It is 38."),
    ]
    played = [
        group.model_copy(
            update={"completions": [one.model_copy(update={"turns": turns}) for one in group.completions]}
        )
        for group in RUN
        if isinstance(group, RolloutGroup)
    ]
    (run_folder / "rollouts.jsonl").unlink()
    written(run_folder / "rollouts.jsonl", played)
    for given in (
        ["rollouts", str(run_folder), "--winners", "--to", str(tmp_path / "sft")],
        ["pairs", str(run_folder), "--out", str(tmp_path / "pairs")],
    ):
        assert main(given) != 0
        assert "episodes of several turns" in capsys.readouterr().err
    assert not (tmp_path / "sft").exists()
    assert not (tmp_path / "pairs").exists()
    assert main(["rollouts", str(run_folder), "--out", str(tmp_path / "all.jsonl")]) == 0
    first = json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0])
    assert [turn["role"] for turn in first["turns"]] == ["assistant", "tool", "assistant"]
