"""`droid-tune show`: rows as the model sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli.commands.show_command import chosen_rows
from droid_tune.cli.entry import main
from droid_tune.errors import UsageError

ROWS = [
    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]},
    {"messages": [{"role": "user", "content": "3+3?"}, {"role": "assistant", "content": "5", "weight": 0}]},
]


@pytest.fixture
def data(tmp_path: Path) -> str:
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(tmp_path)


def test_the_learnt_part_stands_in_brackets(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--data", data, "--method", "sft", "--row", "1"]) == 0
    assert "<|user|>2+2?<|end|><|assistant|>[[4<|end|>]]" in capsys.readouterr().out


def test_json_is_one_object_a_row_and_a_row_left_out_says_why(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--data", data, "--method", "sft", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["row"], first["text"]) == (1, "<|user|>2+2?<|end|><|assistant|>4<|end|>")
    assert len(first["tokens"]) == len(first["learnt"])
    assert first["learnt"][-2:] == [True, True]
    assert (second["row"], "tokens" in second) == (2, False)
    assert "no turn of the assistant's that is learnt" in second["error"]


def test_a_method_that_samples_is_shown_its_prompt(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--data", data, "--method", "grpo", "--row", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["text"] == "<|user|>2+2?<|end|><|assistant|>"
    assert not any(shown["learnt"])


def test_rows_are_counted_from_one_and_both_ends_belong() -> None:
    assert list(chosen_rows("2-3", 5)) == [1, 2]
    assert list(chosen_rows("5", 5)) == [4]
    for wrong in ("0", "6", "3-2", "x"):
        with pytest.raises(UsageError):
            chosen_rows(wrong, 5)


def test_rows_that_are_refused_keep_their_place_and_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps(ROWS[0])
    (tmp_path / "train.jsonl").write_text(f'{good}\n{{"messages": []}}\n\nnot JSON\n{good}\n')
    assert main(["show", "--data", str(tmp_path), "--method", "sft", "--json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["row"], "error" in one) for one in shown] == [(1, False), (2, True), (3, True), (4, False)]
    assert main(["show", "--data", str(tmp_path), "--method", "sft", "--row", "3"]) == 0
    assert "--- row 3 is left out" in capsys.readouterr().out


def test_a_file_of_nothing_but_refused_rows_says_why_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.jsonl").write_text('{"messages": []}\n' * 2)
    assert main(["show", "--data", str(tmp_path), "--method", "sft", "--json"]) == 0
    assert all("error" in json.loads(line) for line in capsys.readouterr().out.splitlines())


def test_with_a_runs_settings_rows_are_shown_as_it_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Two pears?", "answer": "2"}\n' * 2)
    (tmp_path / "cellar.py").write_text(
        "class Cellar:\n"
        "    def reset(self, **row):\n"
        "        return ' It is dark.' if row['answer'] == '2' else 1\n"
        "    def look(self) -> str:\n"
        '        """Looks."""\n'
        "        return 'rats'\n"
        "    def get_reward(self):\n"
        "        return 1.0\n"
    )
    settings = {
        "model": {"path": "tools-starter"},
        "data": {"path": "rows.jsonl", "system_prompt": "Be brief."},
        "environment": {"type": "class", "path": "cellar.py"},
    }
    run = tmp_path / "run.yaml"
    run.write_text(json.dumps(settings))
    asked = ["show", "--config", str(run), "--json"]
    assert main(asked) == 1  # its code is asked about
    assert "cellar.py" in capsys.readouterr().err
    assert main([*asked, "--trust"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert "Be brief." in first["text"]
    assert "look" in first["text"]
    assert "Two pears? It is dark." in first["text"]
    assert (second["row"], second["tokens"], any(second["learnt"])) == (2, first["tokens"], False)
    assert main([*asked, "--row", "1", "--system-prompt", "Be long.", "--method", "dr_grpo"]) == 0
    assert "Be long." in json.loads(capsys.readouterr().out)["text"]
    assert main([*asked, "--model", "starter"]) == 1
    assert "template shows no tools" in capsys.readouterr().err
