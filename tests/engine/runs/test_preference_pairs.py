"""Pairs of a run's completions: best against worst, ties and cut answers out, a person's word before the rewards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.data.validate import validate
from droid_tune.errors import UserError
from droid_tune.events import Completion, RolloutGroup
from droid_tune.runs.completions.preference_pairs import (
    HandChoice,
    asked_in,
    choices_in,
    choose,
    pairs_of,
    rollouts_in,
    write_pairs,
)


def group(
    rewards: Sequence[float | None], place: int = 0, cut: Sequence[int] = (), *, held_out: bool = False
) -> RolloutGroup:
    return RolloutGroup(
        step=1,
        group=place,
        prompt=f"Question {place}?",
        held_out=held_out,
        completions=[
            Completion(
                text=f"answer {member}",
                reward=reward,
                length=2,
                finish_reason="length" if member in cut else "stop",
            )
            for member, reward in enumerate(rewards)
        ],
    )


def sides(groups: list[RolloutGroup], **options: float) -> list[tuple[str, str]]:
    made = pairs_of(groups, asked_in(None), **options)
    return [(pair["chosen"], pair["rejected"]) for pair in made.pairs]


def test_the_best_stands_against_the_worst() -> None:
    assert sides([group([0.5, 1.0, 0.0, None])]) == [("answer 1", "answer 2")]


@pytest.mark.parametrize(
    ("rewards", "why"), [([1.0, 1.0], "tied"), ([1.0, None], "unjudged"), ([0.0], "unjudged")]
)
def test_what_tells_nothing_apart_gives_no_pair(rewards: list[float | None], why: str) -> None:
    made = pairs_of([group(rewards)], asked_in(None))
    assert (made.pairs, getattr(made, why)) == ([], 1)


def test_a_margin_may_be_asked_for() -> None:
    assert sides([group([0.6, 0.5])], least_margin=0.1) == []
    assert sides([group([0.7, 0.5])], least_margin=0.1) == [("answer 0", "answer 1")]


def test_an_answer_that_was_cut_off_is_never_the_better_one() -> None:
    assert sides([group([1.0, 0.8, 0.0], cut=[0])]) == [("answer 1", "answer 2")]
    made = pairs_of([group([1.0, 0.0], cut=[0])], asked_in(None))
    assert (made.pairs, made.cut) == ([], 1)


def test_a_persons_word_goes_before_the_rewards_and_the_last_one_counts(tmp_path: Path) -> None:
    choose(tmp_path, HandChoice(step=1, group=0, chosen=0, rejected=1))
    choose(tmp_path, HandChoice(step=1, group=0, chosen=2, rejected=1))
    made = pairs_of([group([0.0, 1.0, 0.5])], asked_in(None), choices=choices_in(tmp_path).by_group)
    assert [(pair["chosen"], pair["rejected"]) for pair in made.pairs] == [("answer 2", "answer 1")]
    assert made.by_hand == 1


ODD_CHOICES = [
    *("null", "[]", "7", '"x"', "{", "NaN", "[" * 100_000, "{}", "\xff"),
    *(
        json.dumps({"step": 1, "group": 0, "chosen": 2, "rejected": 1} | odd)
        for odd in ({"step": None}, {"chosen": -1}, {"rejected": "0"}, {"group": [0]}, {"chosen": 0.5})
    ),
]


@pytest.mark.parametrize("odd", ODD_CHOICES, ids=lambda text: text[:60])
def test_a_damaged_line_of_choices_hides_no_other_and_is_told_and_set_aside(tmp_path: Path, odd: str) -> None:
    choose(tmp_path, HandChoice(step=1, group=0, chosen=0, rejected=1))
    file = tmp_path / "choices.jsonl"
    whole = b"\xef\xbb\xbf" + odd.encode("latin-1") + b"\n" + file.read_bytes()
    file.write_bytes(whole)
    found = choices_in(tmp_path)
    assert (found.by_group, found.faulty) == (
        {(1, 0): HandChoice(step=1, group=0, chosen=0, rejected=1)},
        [1],
    )
    choose(tmp_path, HandChoice(step=1, group=1, chosen=1, rejected=0))
    assert (tmp_path / "choices.jsonl.bak").read_bytes() == whole
    assert (list(choices_in(tmp_path).by_group), choices_in(tmp_path).faulty) == ([(1, 0), (1, 1)], [])


@pytest.mark.parametrize(("chosen", "rejected"), [(7, 0), (0, 7), (1, 1)])
def test_a_choice_that_its_group_has_not_leaves_the_word_to_the_rewards(chosen: int, rejected: int) -> None:
    choice = HandChoice(step=1, group=0, chosen=chosen, rejected=rejected)
    made = pairs_of([group([0.0, 1.0, 0.5])], asked_in(None), choices={choice.key: choice})
    assert [(pair["chosen"], pair["rejected"]) for pair in made.pairs] == [("answer 1", "answer 0")]
    assert made.by_hand == 0


def test_the_command_tells_of_choices_that_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "rollouts.jsonl").write_text(group([0.0, 1.0]).model_dump_json() + "\n")
    (run / "choices.jsonl").write_text("null\n")
    assert main(["pairs", str(run), "--out", str(tmp_path / "out")]) == 0
    assert "choices.jsonl: 1 line cannot be read (the first is line 1)" in capsys.readouterr().err


def written_rollouts(folder: Path, groups: list[RolloutGroup]) -> Path:
    file = folder / "rollouts.jsonl"
    file.write_text("".join(one.model_dump_json() + "\n" for one in groups), encoding="utf-8")
    return file


def test_held_out_answers_are_left_out_and_what_was_sampled_again_counts(tmp_path: Path) -> None:
    file = written_rollouts(tmp_path, [group([0, 1]), group([1, 0], 1, held_out=True), group([1, 0])])
    (found,) = rollouts_in(file)
    assert [one.reward for one in found.completions] == [1.0, 0.0]


def test_the_pairs_are_data_for_dpo_and_no_prompt_is_on_both_sides(tmp_path: Path) -> None:
    made = pairs_of([group([0.0, 1.0], place) for place in range(40)], asked_in(None))
    written = write_pairs(made, tmp_path / "pairs", 0.25)
    assert set(written.rows) == {"train", "valid"}
    report = validate(written.folder, "dpo")
    assert report.usable
    assert report.accepted == 40
    assert "train_valid_overlap" not in [issue.reason for issue in report.issues]


def test_no_pair_at_all_is_said(tmp_path: Path) -> None:
    made = pairs_of([group([1.0, 1.0])], asked_in(None))
    with pytest.raises(UserError, match=r"No group gives a pair \(1 group with equal rewards\)"):
        write_pairs(made, tmp_path / "pairs", 0.1)


def test_the_command_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written_rollouts(tmp_path, [group([0.0, 1.0])])
    assert main(["pairs", str(file), "--out", str(tmp_path / "pairs")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "pairs")
    (line,) = (tmp_path / "pairs" / "train.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "prompt": "Question 0?",
        "chosen": "answer 1",
        "rejected": "answer 0",
        "margin": 1.0,
    }
