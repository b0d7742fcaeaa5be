"""A user's file may do anything wrong that a file can: each is said with file and line, and nothing else is lost."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from droid_tune.config.rewards import UserFileReward
from droid_tune.control import Allowance
from droid_tune.errors import UserError
from droid_tune.rewards import user_file
from droid_tune.rewards.base import Failed, Outcome, Sample
from droid_tune.rewards.combine import TooManyFailures
from droid_tune.rewards.table import build_rewards
from droid_tune.rewards.user_file import UserFile

Make = Callable[..., UserFile]


@pytest.fixture
def make(tmp_path: Path) -> Any:
    made: list[UserFile] = []

    def from_source(source: str, **settings: Any) -> UserFile:
        (tmp_path / "rewards.py").write_text(source)
        made.append(UserFile(UserFileReward(path="rewards.py", **settings), tmp_path))
        return made[-1]

    yield from_source
    for reward in made:
        reward.close()


def score(reward: UserFile, *completions: str, **row: Any) -> list[Outcome]:
    return reward.score([Sample("why?", completion, row, len(completion)) for completion in completions])


def failure(reward: UserFile, completion: str = "a", **row: Any) -> Failed:
    (outcome,) = score(reward, completion, **row)
    assert isinstance(outcome, Failed)
    return outcome


# --- the known forms ---


def test_a_function_of_completion_and_row(make: Make) -> None:
    reward = make("def reward(completion, row):\n    return len(completion) * row['factor']\n")
    assert score(reward, "ab", "abc", factor=2) == [4.0, 6.0]


def test_none_is_not_applicable_and_true_is_1(make: Make) -> None:
    reward = make("def reward(completion, row):\n    return {'a': None, 'b': True, 'c': 0.5}[completion]\n")
    assert score(reward, "a", "b", "c") == [None, 1.0, 0.5]


def test_prompt_length_and_finish_reason_are_there_for_the_asking(make: Make) -> None:
    reward = make("def reward(completion, prompt, length):\n    return length + 10 * (prompt == 'why?')\n")
    assert score(reward, "abc") == [13.0]


@pytest.mark.parametrize(
    "definition",
    [
        "def f(prompts, completions, answer, **kwargs):",  # TRL
        "def f(completions, answer, **kwargs):",  # TRL, as most are written
        "def f(prompts, completions, answers, types=None):",  # mlx-lm-lora
        "def f(prompts, completions, **columns):",
    ],
)
def test_batch_functions_of_other_trainers_are_recognised(make: Make, definition: str) -> None:
    column = (
        "columns['answer']" if "columns" in definition else "answers" if "answers" in definition else "answer"
    )
    reward = make(f"{definition}\n    return [float(c == a) for c, a in zip(completions, {column})]\n")
    assert reward.style == "batch"
    assert score(reward, "4", "5", answer="4") == [1.0, 0.0]


def test_a_batch_function_is_called_once_for_the_rollout(make: Make) -> None:
    reward = make(
        "calls = 0\ndef f(completions, **_):\n    global calls\n    calls += 1\n    return [calls] * len(completions)\n"
    )
    assert score(reward, "a", "b", "c") == [1.0, 1.0, 1.0]
    assert score(reward, "a") == [2.0]  # the same process goes on


def test_a_file_for_mlx_lm_lora_loads_without_that_package(make: Make) -> None:
    reward = make(
        "from mlx_lm_lora.trainer.grpo_reward_functions import register_reward_function\n\n"
        "@register_reward_function('mine')\n"
        "def mine(prompts, completions, answers, types=None):\n    return [1.0 for _ in completions]\n"
    )
    assert score(reward, "a", answer="b") == [1.0]


def test_chat_messages_are_passed_when_asked_for(make: Make) -> None:
    source = "def f(completions, **_):\n    return [len(c[0]['content']) for c in completions]\n"
    assert score(make(source, chat_messages=True), "abc") == [3.0]
    assert "chat_messages" in failure(make(source)).message


def test_numpy_numbers_are_numbers(make: Make) -> None:
    reward = make(
        "import numpy as np\ndef f(completions, **_):\n    return np.ones(len(completions), np.float32) / 2\n"
    )
    assert score(reward, "a", "b") == [0.5, 0.5]


def test_of_several_functions_the_one_with_a_known_form_is_taken_or_named(make: Make) -> None:
    helper = "def extract(text):\n    return text[0]\n"
    assert score(
        make(helper + "def score(completion, row):\n    return float(extract(completion))\n"), "7"
    ) == [7.0]
    two = "def a(completion, row):\n    return 1\ndef b(completion, row):\n    return 2\n"
    assert score(make(two, function="b"), "x") == [2.0]
    with pytest.raises(UserError, match=r"several functions \(a, b\); say which one in `function`"):
        make(two)


def test_a_module_beside_the_file_can_be_imported(make: Make, tmp_path: Path) -> None:
    (tmp_path / "helpers_of_mine.py").write_text("VALUE = 3\n")
    assert score(
        make("from helpers_of_mine import VALUE\ndef f(completion, row):\n    return VALUE\n"), ""
    ) == [3.0]


def test_columns_that_the_function_cannot_do_without_are_known_before_training(make: Make) -> None:
    assert make("def f(completions, ground_truth, style=None, **kw):\n    return []\n").needs == (
        "ground_truth",
    )


# --- refused while loading ---


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "def reward(completion, row)\n    return 1\n",
            r"rewards\.py:1: The reward file could not be loaded: SyntaxError: expected ':'",
        ),
        ("x = 1\n1 / 0\n", r"rewards\.py:2: The reward file could not be loaded: ZeroDivisionError"),
        (
            "import no_such_module\n",
            r"rewards\.py:1: The reward file could not be loaded: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("x = 1\n", r"has no public function; write `def reward\(completion, row\)`"),
        (
            "\ndef f(a, b, c):\n    pass\n",
            r"rewards\.py:2: .* `f` takes \(a, b, c\), which is no known form; write",
        ),
        ("def f(*args):\n    pass\n", "cannot be passed by name"),
        ("async def f(completion, row):\n    pass\n", "asynchronous"),
        ("def f(completions, completion_ids):\n    pass\n", "`completion_ids`, which only TRL's trainer has"),
        ("exit(3)\n", r"it called exit\(3\)"),
        ("import os\nos._exit(3)\n", "exited with code 3"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    make: Make, source: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        make(source)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_function_are_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.py: The Python file does not exist"):
        UserFile(UserFileReward(path="nowhere.py"), tmp_path)
    with pytest.raises(UserError, match="no function `b`; it has a"):
        make("def a(completion, row):\n    return 1\n", function="b")


# --- what goes wrong while scoring ---


def test_an_exception_fails_its_own_completion_with_file_and_line(make: Make) -> None:
    reward = make("def f(completion, row):\n    number = int(completion)\n    return 1 / number\n")
    good, zero, word = score(reward, "2", "0", "x")
    assert good == 0.5
    assert isinstance(zero, Failed)
    assert zero.message == "ZeroDivisionError: division by zero"
    assert zero.place.endswith("rewards.py:3")
    assert isinstance(word, Failed)
    assert word.place.endswith("rewards.py:2")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("'1'", "gave '1' (str), not a number or None"),
        ("[1]", "gave [1] (list), not a number or None"),
        ("float('nan')", "gave nan, which is not a finite number"),
        ("float('inf')", "gave inf, which is not a finite number"),
        ("1j", "gave 1j (complex), not a number or None"),
        ("10**309", f"gave {'1' + '0' * 56}... (int), which is not a finite number"),
        ("10**5000", "gave what cannot be shown (int), which is not a finite number"),
    ],
)
def test_what_is_no_finite_number_is_a_failure(make: Make, expression: str, message: str) -> None:
    assert failure(make(f"def f(completion, row):\n    return {expression}\n")).message == message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1.0]", "gave 1 values for 2 completions"),
        ("1.0", "gave 1.0 (float), not a list"),
        ("{1.0, 2.0}", "gave {1.0, 2.0} (set), not a list"),  # in whose order?
        ("frozenset({1.0, 2.0})", "gave frozenset("),
        ("{'a': 1.0, 'b': 2.0}.keys()", "gave dict_keys("),
        ("None", "gave None"),
    ],
)
def test_a_batch_of_the_wrong_length_or_type_fails_every_completion(
    make: Make, expression: str, message: str
) -> None:
    outcomes = score(make(f"def f(completions, **_):\n    return {expression}\n"), "a", "b")
    assert all(isinstance(outcome, Failed) and outcome.message.startswith(message) for outcome in outcomes)


def test_an_object_that_can_be_called_is_a_function_by_the_name_of_its_class(make: Make) -> None:
    reward = make("class Near:\n    def __call__(self, completion):\n        return 0.5\nreward = Near()\n")
    assert reward.function == "Near"
    assert score(reward, "a", "b") == [0.5, 0.5]


def allow(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """So much time for each request, in order, whatever the settings say: only what hangs is ended, however slow the machine."""
    given = iter(seconds)
    monkeypatch.setattr(user_file, "Allowance", lambda _: Allowance(next(given)))  # pyright: ignore[reportUnknownLambdaType]


def test_a_hang_is_killed_and_the_next_completion_is_scored(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, 600, 0.3, 600)
    reward = make(
        "import time\ndef f(completion, row):\n    while completion == 'hang':\n        pass\n    return 1\n",
        timeout_seconds=0.3,
    )
    before, hung, after = score(reward, "a", "hang", "b")
    assert (before, after) == (1.0, 1.0)
    assert isinstance(hung, Failed)
    assert hung.message == "the function `f` took longer than 0.3 s"
    assert hung.place.endswith("rewards.py:2")


def test_a_killed_child_takes_its_own_children_with_it(make: Make) -> None:
    reward = make(
        "import subprocess, time\ndef f(completion, row):\n"
        "    subprocess.Popen(['sleep', '987654'], start_new_session=True)\n    time.sleep(60)\n",
        timeout_seconds=0.5,
    )
    failure(reward)
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "987654"] not in commands


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("exit()", "it called exit(None)"),
        ("os._exit(7)", "the function `f` exited with code 7"),
        ("os.kill(os.getpid(), 9)", "the function `f` was killed by SIGKILL"),
        ("[0] * 10**10", "MemoryError"),
    ],
)
def test_an_end_of_the_child_is_a_failure_and_no_end_of_the_run(
    make: Make, statement: str, message: str
) -> None:
    reward = make(
        f"import os\ndef f(completion, row):\n    if completion == 'x':\n        {statement}\n    return 1\n"
    )
    first, second = score(reward, "x", "a")
    assert isinstance(first, Failed)
    assert first.message.startswith(message)
    assert second == 1.0


def test_prints_stay_out_of_the_answers_and_can_be_read(make: Make) -> None:
    reward = make(
        "import os, sys\nprint('loading')\ndef f(completion, row):\n    print('{\"id\": 1}')\n"
        "    os.system('echo from a shell')\n    print('to errors', file=sys.stderr)\n    return 1\n"
    )
    assert score(reward, "a") == [1.0]
    assert sorted(reward.printed().splitlines()) == ["from a shell", "to errors", '{"id": 1}']


def test_it_sees_no_keys_and_neither_home_nor_working_folder(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    reward = make(
        "import os\nfrom pathlib import Path\ndef f(completion, row):\n"
        "    assert 'OPENAI_API_KEY' not in os.environ\n    assert not list(Path.home().iterdir())\n"
        "    assert Path.cwd() == Path.home()\n    return float(str(Path.home()) != row['home'])\n"
    )
    assert score(reward, "a", home=str(Path.home())) == [1.0]


def test_reading_the_keyboard_ends_at_once(make: Make) -> None:
    assert failure(make("def f(completion, row):\n    return float(input())\n")).message.startswith(
        "EOFError"
    )


def test_it_stops_trying_when_too_many_have_failed(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text("def f(completion, row):\n    raise ValueError(completion)\n")
    config = UserFileReward(path="rewards.py", failure_share=0.25)
    with (
        build_rewards([config], max_completion_length=9, folder=tmp_path) as rewards,
        pytest.raises(
            TooManyFailures,
            match=r"rewards\.py:2: .*`user_file` failed on 4 of 4 .*completion 1: ValueError: a",
        ),
    ):
        rewards.score([""] * 4, list("abcd"), [{}] * 4, [1] * 4, ["stop"] * 4)


def test_the_scratch_folder_goes_with_the_child(make: Make) -> None:
    reward = make(
        "from pathlib import Path\nHOME = str(Path.home())\ndef f(completion, row):\n    raise ValueError(HOME)\n"
    )
    home = Path(failure(reward).message.removeprefix("ValueError: "))
    assert home.is_dir()
    reward.close()
    assert not home.exists()


def test_memory_beyond_the_limit_is_noticed_where_the_system_does_not_enforce_it(make: Make) -> None:
    """Shared pages escape Linux's limit as all pages escape macOS's: the parent watches."""
    reward = make(
        "import mmap, time\ndef f(completion, row):\n    pages = mmap.mmap(-1, 200 * 2**20)\n"
        "    pages.write(b'x' * (200 * 2**20 // 2))\n    pages.write(b'x' * (200 * 2**20 // 2))\n    time.sleep(60)\n",
        memory_mb=180,
        timeout_seconds=20,
    )
    assert failure(reward).message == "the function `f` took more than 180 MB of memory"


def test_a_child_does_not_outlive_an_application_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text(
        "from pathlib import Path\ndef f(completion, row):\n    Path('asked').touch()\n    while True: pass\n"
    )
    program = (
        "from pathlib import Path\nfrom droid_tune.config.rewards import UserFileReward\n"
        "from droid_tune.rewards.base import Sample\nfrom droid_tune.rewards.user_file import UserFile\n"
        "UserFile(UserFileReward(path='rewards.py', timeout_seconds=600), Path.cwd()).score([Sample('', '')])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment) as application:
        family = psutil.Process(application.pid).children
        children = wait_for(lambda: [one for one in family(recursive=True) if has_asked(one)])
        application.kill()
    assert wait_for(lambda: all(map(has_ended, children)))


def has_asked(child: psutil.Process) -> bool:
    """Some of a family come and go while one looks."""
    try:
        return Path(child.cwd(), "asked").exists()
    except psutil.Error:
        return False


def has_ended(child: psutil.Process) -> bool:
    try:
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(look: Callable[[], Any]) -> Any:
    """The first answer that is true, within two minutes: a machine may stall."""
    for _ in range(1_200):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("nothing happened within 120 s")


def test_a_process_that_cannot_be_started_fails_the_completion_and_the_next_one_is_scored(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many processes that the system gives no more."""
    reward = make("def f(completion, row):\n    return 1\n")
    reward.close()

    def refused(*_: Any, **__: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refused)
        assert "cannot be started (Resource temporarily unavailable)" in failure(reward).message
        with pytest.raises(UserError, match="it cannot be started"):
            make("def f(completion, row):\n    return 1\n")
    assert score(reward, "a") == [1.0]
