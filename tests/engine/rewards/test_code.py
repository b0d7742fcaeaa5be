"""Programs that a model might write, run against tests: hand-counted shares."""

import socket
from typing import Any

import pytest

from droid_tune.config.rewards import CodeReward
from droid_tune.errors import UserError
from droid_tune.rewards.base import Failed, Graded, Outcome, RewardError, Sample, number_of
from droid_tune.rewards.children.sandbox import offers
from droid_tune.rewards.code import Code, code_of
from droid_tune.rewards.row_tests import row_tests

ADD = "def add(a, b):\n    return a + b\n"
TESTS = ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(2, 2) == 5", "assert add(1, 1) == 2"]


def score(program: str, tests: Any = TESTS, **settings: Any) -> Outcome:
    row = {"tests": tests}
    reward = Code(CodeReward(allow_running_code=True, **settings))
    found = reward.score([Sample("", f"Here you are:\n```python\n{program}```\nDone.", row)])[0]
    return found.value if isinstance(found, Graded) else found


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


def test_it_says_how_many_tests_passed() -> None:
    reward = Code(CodeReward(allow_running_code=True))
    (found,) = reward.score([Sample("", f"```python\n{ADD}```", {"tests": TESTS})])
    assert found == Graded(0.75, why="3 of 4 tests passed")


def test_a_hang_keeps_what_was_passed_before_it() -> None:
    program = "import time\ndef add(a, b):\n    while a == 0: time.sleep(0.01)\n    return a + b\n"
    assert score(program, timeout_seconds=4.0) == 0.25  # the first test passed, the second hung


def test_each_completion_has_a_process_of_its_own() -> None:
    reward = Code(CodeReward(allow_running_code=True))
    row = {"tests": ["assert not left()"]}
    looks = "import os\ndef left(): return hasattr(os, 'left') or 'left_behind' in globals()\n"
    leaves = f"```\n{looks}os.left = left_behind = 1\n```"
    assert [
        number_of(one) for one in reward.score([Sample("", f"```\n{looks}```", row), Sample("", leaves, row)])
    ] == [1.0, 0.0]
    assert [number_of(one) for one in reward.score([Sample("", f"```\n{looks}```", row)])] == [1.0]


def test_no_code_is_0_and_no_tests_do_not_apply() -> None:
    reward = Code(CodeReward(allow_running_code=True))
    found = reward.score([Sample("", "I cannot.", {"tests": TESTS}), Sample("", ADD, {})])
    assert found == [Graded(0.0, why="no closed block of Python"), None]


def test_tests_that_are_no_python_are_the_data_s_fault() -> None:
    outcome = score(ADD, tests=["assert add(1, 2) == 3", "assert add(1,"])
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("test 2 of the row's `tests` is not Python")
    assert isinstance(score(ADD, tests=7), Failed)


@pytest.mark.skipif(not offers().network, reason="this system offers no way to cut a child off the network")
def test_the_program_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)\n"
        assert score(program, tests=["assert True"]) == 0.0
    assert "cannot reach" in Code(CodeReward(allow_running_code=True)).caution


CHEATS = {
    "equals everything": "class Any(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
    "    def __lt__(self, other): return True\n    def __bool__(self): return True\n"
    "def add(a, b): return Any()\n",
    "is no number and equals everything": "class Any:\n    def __eq__(self, other): return True\n"
    "    def __lt__(self, other): return True\n    def __sub__(self, other): return self\n"
    "    def __abs__(self): return self\n    def __float__(self): return 0.0\ndef add(a, b): return Any()\n",
    "patches exec": "import builtins\nbuiltins.exec = lambda *_: None\nbuiltins.compile = lambda *_: None\n"
    "def add(a, b): return 0\n",
    "walks the frames": "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
    "        for name in list(frame.f_globals):\n"
    "            if name == 'handle': frame.f_globals[name] = lambda request: {'passed': True}\n"
    "        frame = frame.f_back\n    return 0\n",
    "writes to every line": "import os\ndef add(a, b):\n    for number in range(3, 64):\n        try:\n"
    '            os.write(number, b\'{"value": 7, "after": [null, null, null], "passed": true}\\n\')\n'
    "        except OSError: pass\n    return 0\n",
}
CHEATED = [
    "assert add(1, 2) == 3",
    "assert add(1, 2) < 4 and add(1, 2) > 2",
    "assert abs(add(1, 2) - 3) < 1e-6",
]


@pytest.mark.parametrize("cheat", CHEATS)
def test_the_program_cannot_judge_itself(cheat: str) -> None:
    assert score(CHEATS[cheat], tests=CHEATED) == 0.0


@pytest.mark.parametrize(
    ("program", "test"),
    [
        ("abs = lambda x: 0\ndef add(a, b): return 9\n", "assert abs(add(1, 2) - 3) < 1e-9"),
        ("def len(x): return 3\ndef add(a, b): return []\n", "assert len(add(1, 2)) == 3"),
        (
            "all = lambda x: True\ndef add(a, b): return 9\n",
            "assert all(add(i, i) == 2 * i for i in range(3))",
        ),
        (
            "def round(*x): return 3\ndef add(a, b): return 9\n",
            "def check(f):\n    assert round(f(1, 2), 2) == 3\ncheck(add)",
        ),
    ],
)
def test_the_program_does_not_judge_by_functions_of_python_s_that_it_made_anew(
    program: str, test: str
) -> None:
    assert score(program, tests=[test]) == 0.0


def test_a_program_may_be_asked_for_a_function_that_python_has_too() -> None:
    program = "def sum(a, b): return a * b\n"
    assert score(program, tests=["assert sum(2, 5) == 10"]) == 1.0
    assert score(program, tests=["import math\nassert math.isclose(sum(2, 5), 10)"]) == 1.0
    assert score(program, tests=["from solution import sum as total\nassert total(2, 5) == 10"]) == 1.0


SORTS = "def sort(items):\n    items.sort()\n"
STACK = """
class Empty(LookupError):
    pass

class Stack:
    limit = 2
    def __init__(self, items=()):
        self.items = list(items)
    def push(self, item):
        if len(self.items) >= self.limit:
            raise Empty("full")
        self.items.append(item)
        return self
    def __len__(self):
        return len(self.items)
    def __eq__(self, other):
        return self.items == other.items
    def __iter__(self):
        return iter(self.items)
"""
MANY = """
import math
from collections import Counter, namedtuple, deque
Point = namedtuple("Point", "x y")
calls = 0
def twice(function, *values, by=2):
    global calls
    calls += 1
    return [function(value) * by for value in values]
def counted(text): return Counter(text)
def point(): return Point(1, 2)
def gen(n):
    for i in range(n): yield i
def fill(node, names):
    node.value = 5
    names["a"] = [1, (2, 3)]
    return node
"""


@pytest.mark.parametrize(
    ("program", "test"),
    [
        (SORTS, "items = [3, 1, 2]\nsort(items)\nassert items == [1, 2, 3]"),
        (STACK, "s = Stack()\nassert s.push(1).push(2) is not None and len(s) == 2 and list(s) == [1, 2]"),
        (STACK, "try:\n    Stack([1, 2]).push(3)\n    assert False\nexcept Empty as error:\n    assert 'full' in str(error)"),
        (STACK, "try:\n    Stack([1, 2]).push(3)\n    assert False\nexcept LookupError:\n    pass"),
        (STACK, "assert Stack([1]) == Stack([1]) and Stack([1]) != Stack([2]) and isinstance(Stack(), Stack)"),
        (STACK, "assert 2 in Stack([1, 2]) and Stack.limit == 2 and not isinstance(3, Stack)"),
        (MANY, "assert twice(lambda v: v + 1, 1, 2, by=3) == [6, 9] and calls == 0"),
        (MANY, "twice(len, 'ab'); assert twice(math.floor, 1.5) == [2]"),
        (MANY, "assert counted('aab') == Counter('aab') == {'a': 2, 'b': 1}"),
        (MANY, "assert point() == (1, 2) and point().x == 1 and (1, 2) == point()"),
        (MANY, "assert list(gen(3)) == [0, 1, 2] and sum(gen(4)) == 6"),
        (MANY, "class Node: pass\nnode, names = Node(), {}\nassert fill(node, names) is node\n"
               "assert node.value == 5 and names == {'a': [1, (2, 3)]}"),
        ("def f(x): return {1: {2, 3}, (4,): b'x', 'n': None}", "assert f(0) == {1: {2, 3}, (4,): b'x', 'n': None}"),
        ("def f(): return float('inf'), 10 ** 30, 1 + 2j", "assert f() == (float('inf'), 10 ** 30, 1 + 2j)"),
        ("def hello(name): print('Hello,', name)",
         "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out): hello('you')\n"
         "assert out.getvalue() == 'Hello, you\\n'"),
        ("def solve():\n    print(int(input()) * 2)",
         "import io, sys, contextlib\nsys.stdin = io.StringIO('3\\n4\\n')\nout = io.StringIO()\n"
         "with contextlib.redirect_stdout(out): solve(); solve()\nassert out.getvalue() == '6\\n8\\n'"),
        ("import numpy as np\ndef f(a): return a * 2", "assert (f(np.arange(3)) == np.array([0, 2, 4])).all()"),
    ],
)  # fmt: skip
def test_tests_see_the_program_as_if_it_were_beside_them(program: str, test: str) -> None:
    assert score(f"{program}\n", tests=[test, f"{test}\nassert False"]) == 0.5


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
        ("```python\r\na\r\n```\r\n", "a\n"),
        ("~~~python title=a.py\na\n~~~", "a\n"),
        ("````python\na\n````", "a\n"),
        ("````python\na = '''\n```\n'''\n````", "a = '''\n```\n'''\n"),  # three do not close four
        ("```py\ndef f(): 1\n```\nUse:\n```py\nprint(f())\n```\nIt prints\n```\n1\n```", "def f(): 1\n"),
        ("```py\ndef f(): 1\n```\nBetter:\n```py\ndef f(): 2\n```", "def f(): 2\n"),
    ],
)
def test_the_last_finished_block_is_the_program(completion: str, code: str | None) -> None:
    assert code_of(completion, frozenset("f")) == code


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
            ["def check(f):\n    assert f(1)\ncheck(add)"],
        ),
        ({"tests": "run()"}, ["run()"]),
        ({"tests": "[]"}, None),
        ({"tests": "['assert a', 'assert b']"}, ["assert a", "assert b"]),
        ({"tests": ["import math", "assert a", "assert b"]}, ["import math\n\nassert a", "assert b"]),
        ({"tests": "```python\nassert a\n```"}, ["assert a"]),
        (
            {"tests": "def check(f):\n    assert f(1)\ncheck(add)"},
            ["def check(f):\n    assert f(1)\ncheck(add)"],
        ),
        (
            {
                "tests": "from solution import a, b as c\ndef test_a():\n    assert a()\ndef test_b():\n    assert c()"
            },
            ["c = b\ndef test_a():\n    assert a()\ndef test_b():\n    assert c()\ntest_a()", "test_b()"],
        ),
    ],
)
def test_tests_come_in_several_forms(row: dict[str, Any], tests: list[str] | None) -> None:
    assert row_tests(row, "tests") == tests


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ('{"inputs": ["1 2"], "outputs": ["3"]}', "checks nothing, every program would pass it"),
        ("def check(f):\n    assert f(1)", "defines `check`, and the row has no `entry_point`"),
        (
            ["add(1, 2) == 3"],
            "test 1 of the row's `tests` compares without checking: write `assert` before `add",
        ),
        ("print(add(1, 2))", "checks nothing"),
        ([{"input": "1 2", "output": "3"}], "is list, not a list of asserts"),
    ],
)
def test_tests_that_every_program_would_pass_are_the_data_s_fault(tests: Any, said: str) -> None:
    with pytest.raises(RewardError) as raised:
        row_tests({"tests": tests}, "tests")
    assert said in raised.value.failed.message


UNITTEST = """
import unittest
class TestAdd(unittest.TestCase):
    def setUp(self): self.zero = 0
    def test_zero(self): self.assertEqual(add(0, self.zero), 0)
    def test_sum(self): self.assertEqual(add(1, 2), 3)
if __name__ == "__main__":
    unittest.main()
"""


def test_suites_that_only_define_are_run() -> None:
    wrong = "def add(a, b):\n    return a - b\n"
    assert (score(ADD, UNITTEST), score(wrong, UNITTEST)) == (1.0, 0.5)
    assert score(wrong, "from solution import add\ndef test_sum():\n    assert add(1, 2) == 3\n") == 0.0
