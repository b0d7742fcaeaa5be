"""Programs that a model might write, run against tests: hand-counted shares."""

import socket
from typing import Any

import pytest

from droid_tune.config.rewards import CodeReward
from droid_tune.errors import UserError
from droid_tune.rewards.base import Failed, Outcome, Sample
from droid_tune.rewards.code import Code, code_of, row_tests
from droid_tune.rewards.sandbox import offline_wrapper

ADD = "def add(a, b):\n    return a + b\n"
TESTS = ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(2, 2) == 5", "assert add(1, 1) == 2"]


def score(program: str, tests: Any = TESTS, **settings: Any) -> Outcome:
    row = {"tests": tests}
    reward = Code(CodeReward(allow_running_code=True, **settings))
    return reward.score([Sample("", f"Here you are:\n```python\n{program}```\nDone.", row)])[0]


def test_it_is_off_until_it_is_allowed() -> None:
    with pytest.raises(
        UserError, match="runs Python that a model wrote on this computer, and it is switched off"
    ):
        Code(CodeReward())


def test_the_share_of_tests_that_pass() -> None:
    assert score(ADD) == 0.75
    assert score("def add(a, b):\n    return 2\n") == 0.25


@pytest.mark.parametrize(
    "program",
    [
        "def add(a, b)\n",  # no Python
        "import sys\nsys.exit(0)\n",
        "import os\nos._exit(0)\n",
        "raise ValueError\n",
        "x = input()\n",
    ],
)
def test_a_broken_program_earns_nothing_and_fails_nothing(program: str) -> None:
    assert score(program + ADD) == 0.0


def test_a_hang_keeps_what_was_passed_before_it() -> None:
    program = "def add(a, b):\n    while a == 0: pass\n    return a + b\n"
    assert score(program, timeout_seconds=1.0) == 0.25  # the first test passed, the second hung


def test_each_completion_has_a_process_of_its_own() -> None:
    reward = Code(CodeReward(allow_running_code=True))
    row = {"tests": ["assert 'left' not in globals() and not hasattr(__import__('os'), 'left')"]}
    completion = "```\nimport os\nos.left = left_behind = 1\n```"
    assert reward.score([Sample("", "```py\nx = 1\n```", row), Sample("", completion, row)]) == [1.0, 0.0]
    assert reward.score([Sample("", "```py\nx = 1\n```", row)]) == [1.0]


def test_no_code_is_0_and_no_tests_do_not_apply() -> None:
    reward = Code(CodeReward(allow_running_code=True))
    assert reward.score([Sample("", "I cannot.", {"tests": TESTS}), Sample("", ADD, {})]) == [0.0, None]


def test_tests_that_are_no_python_are_the_data_s_fault() -> None:
    outcome = score(ADD, tests=["assert add(1, 2) == 3", "assert add(1,"])
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("test 2 of the row's `tests` is not Python")
    assert isinstance(score(ADD, tests=7), Failed)


@pytest.mark.skipif(
    offline_wrapper() is None, reason="this system offers no way to cut a child off the network"
)
def test_the_program_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)\n"
        assert score(program, tests=["assert True"]) == 0.0
    assert "without network" in Code(CodeReward(allow_running_code=True)).caution


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("```python\na\n```", "a\n"),
        ("```python\na\n```\nor\n```py\nb\n```", "b\n"),
        ("<think>```python\na\n```</think>no", None),
        ("```python\na\n", None),  # cut off
        ("```json\n{}\n```", None),
        ("```json\n{}\n```\nand\n```python\na\n```", "a\n"),
        ("1. so:\n   ```python\n   a\n     b\n   ```", "a\n  b\n"),
        ("a", None),
    ],
)
def test_the_last_finished_block_is_the_program(completion: str, code: str | None) -> None:
    assert code_of(completion) == code


@pytest.mark.parametrize(
    ("row", "tests"),
    [
        ({"tests": None}, None),
        ({"tests": []}, None),
        ({"tests": ["assert a", "assert b"]}, ["assert a", "assert b"]),
        ({"tests": '["assert a", "assert b"]'}, ["assert a", "assert b"]),
        ({"tests": "x = 1\nassert a\nassert b"}, ["x = 1\nassert a", "assert b"]),
        (
            {"tests": "def check(f):\n    assert f(1)\n", "entry_point": "add"},
            ["def check(f):\n    assert f(1)\n\ncheck(add)"],
        ),
        ({"tests": "run()"}, ["run()"]),
    ],
)
def test_tests_come_in_several_forms(row: dict[str, Any], tests: list[str] | None) -> None:
    assert row_tests(row, "tests") == tests
