"""Settings from a file that reach for code, a judge or a key are asked about once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli.entry import main
from droid_tune.config import RunConfig, resolve
from droid_tune.config.asking.reaching_out import plain_http, reaches
from droid_tune.config.asking.trust import (
    digest_of_file,
    digest_of_run,
    is_key_known,
    is_trusted,
    trust,
    trust_file,
)
from droid_tune.runs.folder import create_run


def config(*rewards: dict[str, object]) -> RunConfig:
    return resolve({"method": "grpo", "rewards": list(rewards)})


JUDGE: dict[str, object] = {
    "type": "model",
    "model": "m",
    "base_url": "http://judge.example.com/v1",
    "api_key_variable": "AWS_SECRET",
}


def test_what_settings_reach_for_is_said_in_clauses() -> None:
    assert reaches(config({"type": "accuracy"}, {"type": "model", "model": "local"})) == []
    assert reaches(resolve({"method": "sft"})) == []
    found = reaches(config(
        {"type": "user_file", "path": "/a/r.py", "network": True, "readable": ["/b"]},
        {"type": "code", "allow_running_code": True}, JUDGE,
    ))  # fmt: skip
    assert found == [
        "runs the Python file /a/r.py",
        "lets that file read /b",
        "lets that file use the network",
        "runs Python that the model writes",
        "sends prompts and completions to http://judge.example.com with the key in $AWS_SECRET",
        "uses plain http to judge.example.com: on the way everyone could read prompts, completions and the key",
    ]


def test_the_bundled_tools_are_nobody_else_s_code_but_what_they_are_given_is_asked_about() -> None:
    assert reaches(resolve({"environment": {"type": "tools", "path": "shop"}})) == []
    opened = resolve({"environment": {"type": "tools", "path": "shop", "network": True, "readable": ["/b"]}})
    assert reaches(opened) == ["lets that file read /b", "lets that file use the network"]


def test_an_environment_is_asked_about_as_reward_files_are(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text("x = 1\n")
    own = resolve({"environment": {"type": "tools", "path": str(file), "network": True, "readable": ["/b"]}})
    assert reaches(own) == [
        f"runs the Python file {file}",
        "lets that file read /b",
        "lets that file use the network",
    ]
    package = resolve({"environment": {"type": "verifiers", "id": "wordle", "network": True}})
    assert reaches(package) == [
        "runs the installed environment wordle",
        "lets that environment use the network",
    ]
    assert reaches(resolve({"environment": {"type": "reasoning_gym", "tasks": {"chain_sum": {}}}})) == []
    settings = tmp_path / "run.yaml"
    settings.write_text("method: grpo\n")
    before = digest_of_file(settings, own)
    file.write_text("x = 2\n")
    assert digest_of_file(settings, own) != before


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://a.example.com",
            "http://localhost:1",
            "http://127.0.0.1",
            "http://[::1]:80",
            "http://10.1.2.3",
        ),
        *("http://192.168.0.9/v1", "http://mac.local", "http://gpu-box:8000", "http://172.16.0.1"),
    ],
)
def test_plain_http_is_warned_of_beyond_private_hosts_alone(url: str) -> None:
    assert plain_http(url) == ""
    assert plain_http("http://8.8.8.8/v1")
    assert plain_http("http://localhost.example.com")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    (tmp_path / "reward.py").write_text("def reward(completion, row):\n    return 1\n")
    file = tmp_path / "run.yaml"
    rewards = f"rewards: [{{type: user_file, path: {tmp_path / 'reward.py'}}}]\n"
    sizes = "training: {iterations: 1, batch_size: 1}\nsampling: {max_completion_length: 4}\n"
    file.write_text(f"method: grpo\n{rewards}{sizes}")
    return file


def train(file: Path, *more: str) -> int:
    return main(["train", "--config", str(file), "--dry-run", *more])


def test_a_file_of_settings_that_brings_code_is_refused_where_nobody_can_be_asked(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(foreign) == 1
    said = capsys.readouterr().err
    assert (
        f"runs the Python file {foreign.parent / 'reward.py'}; look at it, then allow it with --trust."
        in said
    )
    assert not trust_file().exists()


def test_it_is_asked_about_once_for_each_state_of_file_and_code(foreign: Path) -> None:
    assert train(foreign, "--trust") == 0
    assert train(foreign) == 0
    assert trust_file().stat().st_mode & 0o777 == 0o600
    (foreign.parent / "reward.py").write_text("def reward(completion, row):\n    return 2\n")
    assert train(foreign) == 1
    assert train(foreign, "--trust") == 0
    foreign.write_text(foreign.read_text() + "name: other\n")
    assert train(foreign) == 1


@pytest.mark.slow
def test_what_the_code_imports_beside_it_is_part_of_what_was_allowed(foreign: Path) -> None:
    code, helper = foreign.parent / "reward.py", foreign.parent / "helper.py"
    code.write_text(f"import helper\n{code.read_text()}")
    helper.write_text("x = 1\n")
    assert train(foreign, "--trust") == 0
    assert train(foreign) == 0
    helper.write_text("x = 2\n")
    assert train(foreign) == 1


def test_what_the_person_adds_to_a_file_is_not_asked_about(foreign: Path) -> None:
    reward = foreign.parent / "reward.py"
    foreign.write_text("training: {iterations: 1, batch_size: 1}\n")
    own = ("--set", f'rewards=[{{"type": "user_file", "path": "{reward}"}}]')
    assert train(foreign, *own) == 0
    foreign.write_text(f"{foreign.read_text()}rewards: [{{type: user_file, path: {reward}}}]\n")
    assert train(foreign) == 1, "the file itself was not allowed by that"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1), ("no\n", 1), ("", 1)])
def test_at_a_terminal_the_person_is_asked(
    foreign: Path, answer: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert train(foreign) == code
    assert "Allow this, now and later? [y/N]" in capsys.readouterr().err


def test_a_run_that_was_made_here_is_not_asked_about_and_one_from_elsewhere_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = create_run(config({"type": "code", "allow_running_code": True}))
    assert is_trusted(digest_of_run(config({"type": "code", "allow_running_code": True})))
    trust_file().unlink()  # as on another computer
    assert main(["resume", str(folder)]) == 1
    assert "reach for more than model and data: runs Python that the model writes" in capsys.readouterr().err


def test_a_key_is_read_from_a_known_or_allowed_variable_alone() -> None:
    assert is_key_known("OPENAI_API_KEY")
    assert not is_key_known("AWS_SECRET")
    chosen = config(JUDGE)
    trust(chosen)
    assert is_key_known("AWS_SECRET")
    assert json.loads(trust_file().read_text())["keys"] == ["AWS_SECRET"]


def test_a_damaged_file_allows_nothing(foreign: Path) -> None:
    trust_file().parent.mkdir(parents=True, exist_ok=True)
    for text in ("", "[]", '{"digests": 7}', "[" * 100_000, '{"digests": null, "keys": null}'):
        trust_file().write_text(text)
        assert not is_trusted("a")
        assert not is_key_known("AWS_SECRET")
    chosen = config({"type": "user_file", "path": str(foreign.parent / "reward.py")})
    trust(chosen, digest_of_file(foreign, chosen))
    assert is_trusted(digest_of_file(foreign, chosen))


def test_the_key_of_a_judge_of_pairs_is_allowed_with_the_settings_that_name_it() -> None:
    method = {
        "type": "online_dpo",
        "judge_url": "https://judge.example.com/v1",
        "judge_key_variable": "MY_SECRET",
    }
    config = resolve({"method": method})
    assert not is_key_known("MY_SECRET")
    trust(config, "digest")
    assert is_key_known("MY_SECRET")
