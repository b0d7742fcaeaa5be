"""A past run's completions scored by another reward, without training."""

import json
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.config import dump_yaml, resolve
from droid_tune.config.rewards import AccuracyReward, RewardConfig, UserFileReward
from droid_tune.control import Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.events import Completion, RolloutGroup
from droid_tune.paths import RunPaths, runs_dir
from droid_tune.rewards.trials.rescore import rescore, rescored_whole, saved_completions
from droid_tune.runs.log import EventLog
from droid_tune.trial_report import RescoredStep

ROWS = [
    {"prompt": "1 + 1?", "answer": "2", "hint": "twin"},
    {"prompt": "1 + 2?", "answer": "3", "hint": "trio"},
]
#: by step, the texts of a group of each row
TEXTS = {1: (("2", "5"), ("4", "4")), 2: (("2", "twin"), ("3", "trio"))}
ACCURACY = [AccuracyReward()]


def group(step: int, row: int, texts: tuple[str, ...], *, held_out: bool = False) -> RolloutGroup:
    fields = ROWS[row]
    return RolloutGroup(
        step=step,
        group=row,
        row=row,
        prompt=fields["prompt"],
        answer=fields["answer"],
        held_out=held_out,
        completions=[
            Completion(text=text, reward=0.5, rewards={"length": 0.5}, length=1, finish_reason="stop")
            for text in texts
        ],
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Rewarded 0.5 for everything it wrote: it could learn nothing."""
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "valid"):
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    folder = runs_dir() / "past"
    folder.mkdir(parents=True)
    paths = RunPaths(folder)
    paths.config.write_text(dump_yaml(resolve({"data": {"path": str(data)}})))
    log = EventLog(paths.events, paths.rollouts, "past")
    for step, groups in TEXTS.items():
        for row, texts in enumerate(groups):
            log.write(group(step, row, texts))
    log.write(group(2, 0, ("2",), held_out=True))
    log.close()
    return folder


def user_file(tmp_path: Path, body: str) -> list[RewardConfig]:
    file = tmp_path / "mine.py"
    file.write_text(f"def f(completion, row):\n    {body}\n")
    return [UserFileReward(path=str(file))]


def test_every_step_has_the_reward_that_it_would_have_had(run: Path) -> None:
    found = rescored_whole(run, ACCURACY)
    assert [(one.step, one.held_out, one.was, one.would) for one in found.steps] == [
        (1, False, 0.5, 0.25),
        (2, False, 0.5, 0.5),
        (2, True, 0.5, 1.0),
    ]
    # of step 1 one group has a right and a wrong one, the other two wrong ones; the old reward told none apart
    assert [(one.groups, one.flat_was, one.flat_would) for one in found.sampled] == [(2, 2, 1), (2, 2, 0)]
    assert found.agreement.pairs == found.agreement.agreeing == 3
    assert found.sentences()[:3] == [
        "9 completions of past were scored anew, nothing was trained.",
        "The mean reward would have gone from 0.25 to 0.5 (step 1 to 2); it went from 0.5 to 0.5.",
        "Groups of equal rewards, which teach nothing: 25% of 4; they were 100%.",
    ]


def test_completions_are_told_one_by_one(run: Path) -> None:
    first = rescored_whole(run, ACCURACY).steps[0]
    assert [
        (one.group, one.member, one.completion, one.was, one.would, one.right) for one in first.completions
    ] == [
        (0, 0, "2", 0.5, 1.0, True),
        (0, 1, "5", 0.5, 0.0, False),
        (1, 0, "4", 0.5, 0.0, False),
        (1, 1, "4", 0.5, 0.0, False),
    ]
    assert "5" in first.completions[1].why


def test_a_file_sees_the_whole_row(run: Path, tmp_path: Path) -> None:
    found = rescored_whole(run, user_file(tmp_path, "return float(completion == row['hint'])"))
    assert [one.would for one in found.sampled] == [0.0, 0.5]
    assert not [note for note in found.notes if "data" in note]


def test_data_that_is_another_now_is_said(run: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "train.jsonl").write_text(json.dumps(ROWS[1] | {"prompt": "other"}) + "\n")
    found = rescored_whole(run, ACCURACY)
    assert [one.would for one in found.sampled] == [0.25, 0.5]
    assert (
        found.notes[-1]
        == "The data is not as it was at 2 prompts: there rewards saw the prompt and the answer alone."
    )


def test_data_that_is_gone_is_said(run: Path, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        (tmp_path / "data" / f"{split}.jsonl").unlink()
    found = rescored_whole(run, ACCURACY)
    assert [one.would for one in found.sampled] == [0.25, 0.5]
    assert found.notes[-1].startswith(
        "Its data cannot be read, so rewards saw the prompt and the answer alone:"
    )


def test_a_reward_that_fails_on_a_whole_step_ends_it(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"mine\.py:2: ZeroDivisionError: .*; it failed on every completion of step 1"
    ):
        rescored_whole(run, user_file(tmp_path, "return 1 / 0"))


def test_a_reward_that_fails_here_and_there_is_counted(run: Path, tmp_path: Path) -> None:
    found = rescored_whole(run, user_file(tmp_path, "return float(completion)"))
    assert found.failed == 2
    assert "The reward failed on 2 of them." in found.sentences()


def test_it_stops_between_two_steps_and_what_was_scored_is_there(run: Path) -> None:
    stopped: list[bool] = []
    steps = rescore(run, ACCURACY, Watch(should_stop=lambda: bool(stopped)))
    first = next(steps)
    assert isinstance(first, RescoredStep)
    assert first.step == 1
    stopped.append(True)
    with pytest.raises(Stopped):
        next(steps)


def test_a_step_that_was_done_again_counts_once(run: Path) -> None:
    paths = RunPaths(run)
    log = EventLog(paths.events, paths.rollouts, "past")
    log.write(group(2, 0, ("9", "9")))
    log.close()
    assert [one.would for one in rescored_whole(run, ACCURACY).sampled] == [0.25, 0.25]


def test_the_newest_completion_to_each_prompt_is_kept(run: Path) -> None:
    assert saved_completions(run) == {"1 + 1?": "2", "1 + 2?": "3"}


def test_the_command_tries_saved_completions_and_scores_the_run_anew(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test-reward", "accuracy", "--run", "past"]) == 0
    said = capsys.readouterr().out
    assert "saved rollout" in said
    assert "It can tell right from wrong. It gives the row's own answer more" in said
    assert "NO SIGNAL WAS" in said
    assert "9 completions of past were scored anew" in said
    assert main(["test-reward", "accuracy", "--run", "past", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["would"] for one in document["rescored"]["steps"]] == [0.25, 0.5, 1.0]
    assert document["rescored"]["steps"][0]["completions"][0]["would"] == 1.0


def test_a_run_that_there_is_not_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-reward", "accuracy", "--run", "nowhere"]) == 1
    assert "There is no run `nowhere`" in capsys.readouterr().err
