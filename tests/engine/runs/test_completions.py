"""The table of a run's completions: complete, current, and asked in every way that the window offers."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from droid_tune.data.dataset import open_dataset
from droid_tune.errors import UserError
from droid_tune.events import Completion, RolloutGroup, TokenDetails, TokenTrace
from droid_tune.paths import HOME_VARIABLE
from droid_tune.runs.completions import taking_out
from droid_tune.runs.completions.asking import (
    Wanted,
    find,
    group_at,
    groups_of,
    lines_of,
    trace_of,
    visits_of,
)
from droid_tune.runs.completions.completion_index import CompletionIndex, drop_index, index_path
from droid_tune.runs.completions.difficulty import drop_plan, histories_of
from droid_tune.runs.completions.taking_out import export, record_of, save_winners
from droid_tune.runs.reward_distribution import distribution, quantile, series_of
from droid_tune.runs.series import Series
from droid_tune.runs.state import RunState


def group(
    step: int, number: int, *rewards: float | None, row: int = 0, held_out: bool = False
) -> RolloutGroup:
    """Its completions are `say <step> <number> <place>`, as long in tokens as their place."""
    completions = [
        Completion(
            text=f"say {step} {number} {place}",
            reward=reward,
            rewards={"accuracy": reward, "style": place / 10},
            reasons={"accuracy": f"because {place}"},
            advantage=(reward or 0) - 0.5,
            length=place + 1,
            finish_reason="length" if place == 2 else "stop",
        )
        for place, reward in enumerate(rewards)
    ]
    return RolloutGroup(
        step=step,
        group=number,
        row=row,
        prompt=f"100% of row_{row}",
        completions=completions,
        held_out=held_out,
    )


RUN = [
    group(1, 0, 1.0, 0.0, 0.0, row=3),
    group(1, 1, 0.0, 0.0, None, row=4),
    group(2, 0, 1.0, 1.0, 1.0, row=3),
    group(2, 0, 0.5, row=9, held_out=True),
]


def written(file: Path, groups: list[RolloutGroup]) -> None:
    with file.open("a") as lines:
        lines.writelines(one.model_dump_json() + "\n" for one in groups)


@pytest.fixture
def index(tmp_path: Path) -> CompletionIndex:
    written(tmp_path / "rollouts.jsonl", RUN)
    made = CompletionIndex(tmp_path / "rollouts.jsonl", tmp_path / "index.sqlite")
    assert list(made.update())[-1] == (tmp_path / "rollouts.jsonl").stat().st_size
    return made


def steps_of(index: CompletionIndex, *, held_out: bool = False) -> list[int]:
    lines = lines_of(index, find(index, Wanted(held_out=held_out)))
    return list(dict.fromkeys(line.step for line in lines))


def texts(index: CompletionIndex, wanted: Wanted) -> list[str]:
    return [line.text.removeprefix("say ") for line in lines_of(index, find(index, wanted))]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["1 0 0", "1 0 1", "1 0 2", "1 1 0", "1 1 1", "1 1 2", "2 0 0", "2 0 1", "2 0 2"]),
        (Wanted(held_out=True), ["2 0 0"]),
        (Wanted(text="SAY 1 1"), ["1 1 0", "1 1 1", "1 1 2"]),
        (Wanted(text="row_4"), ["1 1 0", "1 1 1", "1 1 2"]),
        (Wanted(text="0% of"), ["1 0 0", "1 0 1", "1 0 2", "1 1 0", "1 1 1", "1 1 2", "2 0 0", "2 0 1", "2 0 2"]),
        (Wanted(text="0_ of"), []),
        (Wanted(bounds={"reward": (1, None), "step": (1, 1)}), ["1 0 0"]),
        (Wanted(bounds={"cut": (1, 1), "row": (3, 3)}), ["1 0 2", "2 0 2"]),
        (Wanted(bounds={"style": (0.2, None), "right": (1, 1)}), ["2 0 2"]),
        (Wanted(bounds={"step": (1, 1)}, sort="length", descending=True)
         , ["1 0 2", "1 1 2", "1 0 1", "1 1 1", "1 0 0", "1 1 0"]),
        (Wanted(bounds={"row": (4, 4)}, sort="reward"), ["1 1 0", "1 1 1", "1 1 2"]),  # nothing judged comes last
    ],
)  # fmt: skip
def test_completions_are_found_by_text_bounds_and_order(
    index: CompletionIndex, wanted: Wanted, found: list[str]
) -> None:
    assert texts(index, wanted) == found


def test_a_bound_is_laid_over_the_one_before_and_taken_away_by_two_open_ends() -> None:
    once = Wanted().between("reward", 0, 1)
    assert once.between("reward", 1, None).bounds == {"reward": (1, None)}
    assert once.between("reward", None, None) == Wanted()


def test_a_line_leads_to_its_group_in_the_file(index: CompletionIndex) -> None:
    (line,) = lines_of(index, find(index, Wanted(text="say 2 0 1")))
    assert (line.step, line.member, line.row, line.right, line.parts) == (
        2,
        1,
        3,
        1,
        {"accuracy": 1, "style": 0.1},
    )
    assert group_at(index.rollouts, line.offset) == RUN[2]
    assert group_at(index.rollouts, 7) is None


def test_what_was_added_is_read_and_a_torn_line_waits(index: CompletionIndex) -> None:
    with index.rollouts.open("a") as file:
        file.write('{"type": "rollout", "step"')
    assert list(index.update()) == []
    with index.rollouts.open("a") as file:
        file.write(": 3}\nnot json\n")
    written(index.rollouts, [group(3, 0, 1.0, row=5)])
    assert list(index.update()) == [index.rollouts.stat().st_size]
    assert steps_of(index) == [1, 2, 3]


def test_a_step_that_a_resume_does_again_counts_once(index: CompletionIndex) -> None:
    written(index.rollouts, [group(2, 0, 0.0, 0.0, 0.0, row=3)])
    list(index.update())
    assert [line.reward for line in lines_of(index, find(index, Wanted(bounds={"step": (2, 2)})))] == [
        0,
        0,
        0,
    ]


@pytest.mark.parametrize(
    "odd",
    [
        *(
            {"step": [1]},
            {"group": {}},
            {"row": "x"},
            {"prompt": []},
            {"step": 10**30},
            {"completions": [None]},
        ),
        *(
            {"completions": [{"text": [], "reward": 1, "length": 1, "finish_reason": "stop"}]},
            {"row": -(10**30)},
        ),
        {"completions": [{"text": "", "reward": 10**400, "length": 10**400, "finish_reason": "stop"}]},
    ],
    ids=str,
)
def test_a_line_of_any_shape_hides_no_other(index: CompletionIndex, odd: dict[str, Any]) -> None:
    before = texts(index, Wanted())
    line = json.dumps(group(3, 0, 1.0).model_dump() | odd)
    with index.rollouts.open("a") as lines:
        lines.write(line + "\n" + "[" * 100_000 + "\n" + group(4, 0, 1.0).model_dump_json() + "\n")
    list(index.update())
    assert texts(index, Wanted()) == [*before, "4 0 0"]


def test_another_file_in_its_place_makes_the_table_anew(index: CompletionIndex) -> None:
    index.rollouts.unlink()
    written(index.rollouts, [group(7, 0, 1.0) for _ in range(9)])
    list(index.update())
    assert (steps_of(index), steps_of(index, held_out=True)) == ([7], [])


def test_a_reward_that_comes_later_gets_a_column(index: CompletionIndex) -> None:
    late = group(3, 0, 1.0)
    late = late.model_copy(
        update={"completions": [late.completions[0].model_copy(update={"rewards": {"new": 2}})]}
    )
    written(index.rollouts, [late])
    list(index.update())
    first, last = lines_of(index, [find(index, Wanted())[0], find(index, Wanted(bounds={"new": (2, 2)}))[0]])
    assert (first.parts["new"], last.parts) == (None, {"accuracy": None, "style": None, "new": 2})


def test_every_visit_of_a_prompt_is_counted(index: CompletionIndex) -> None:
    found = [(one.row, one.step, one.right, one.completions) for one in visits_of(index)]
    assert found == [(3, 1, 1, 3), (3, 2, 3, 3), (4, 1, 0, 3)]
    assert [one.step for one in visits_of(index, row=3)] == [1, 2]


def test_the_distribution_of_a_step_in_numbers() -> None:
    found = distribution(
        [[(1.0, True), (0.0, False)], [(1.0, True), (1.0, True)], [(0.0, False), (None, False)]]
    )
    assert (found["reward/zero"], found["reward/one"]) == (2 / 5, 3 / 5)
    assert [found[f"groups/{kind}"] for kind in ("all_right", "mixed", "all_wrong")] == pytest.approx(
        [1 / 3] * 3
    )
    assert (found["pass@1"], found["pass@G"]) == (3 / 6, pytest.approx(2 / 3))
    assert quantile([0, 1, 2, 10], 0.5) == 1.5
    assert quantile([3.0], 0.9) == 3
    assert distribution([[(None, False)]]) == {}


def test_the_past_of_a_run_from_its_table_equals_that_from_its_events(index: CompletionIndex) -> None:
    lived = RunState().apply_all(RUN)
    read = series_of(groups_of(index))
    assert {name: list(found.values) for name, found in read.items()} == {
        name: list(found.values) for name, found in lived.series.items()
    }
    later = RunState(step=2).apply_all(RUN[2:3])
    later.fill(read)
    assert list(later.series["pass@1"].values) == list(lived.series["pass@1"].values) == [1 / 6, 1]


def test_filling_leaves_out_what_a_resume_took_back() -> None:
    past = Series()
    for step in (1, 2, 3):
        past.append(step, step)
    state = RunState(step=2)
    state.fill({"pass@1": past})
    assert list(state.series["pass@1"].steps) == [1, 2]


def test_the_chosen_completions_are_exported_with_all_that_is_known_of_them(
    index: CompletionIndex, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    assert export(index, find(index, Wanted(bounds={"right": (1, 1), "step": (1, 1)})), out) == 1
    (told,) = map(json.loads, out.read_text().splitlines())
    assert (told["completion"], told["reasons"], told["finish_reason"]) == (
        "say 1 0 0",
        {"accuracy": "because 0"},
        "stop",
    )


def refusing(code: int, monkeypatch: pytest.MonkeyPatch, skipped: int = 0) -> None:
    """From now on the disk does not let files be opened to be read, after `skipped` times."""
    own, times = Path.open, itertools.count()

    def opened(self: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if mode == "rb" and next(times) >= skipped:
            raise OSError(code, os.strerror(code))
        return own(self, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", opened)


def test_completions_that_the_disk_does_not_give_are_not_taken_out_in_part(
    index: CompletionIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their answers, reasons and turns stand in the run's file alone; a row without them would look whole."""
    ids, out = find(index, Wanted()), tmp_path / "out.jsonl"
    out.write_text("earlier\n")
    with monkeypatch.context() as patched:
        refusing(errno.EIO, patched, skipped=2)
        with pytest.raises(UserError, match=r"log cannot be read \(Input/output error\)"):
            export(index, ids, out)
        with pytest.raises(UserError, match=r"log cannot be read \(Input/output error\)"):
            save_winners(index, tmp_path / "winners")
    index.rollouts.rename(tmp_path / "elsewhere.jsonl")
    with pytest.raises(UserError, match="step 1 are no longer in the run's file"):
        export(index, ids, out)
    assert out.read_text() == "earlier\n"
    assert not (tmp_path / "winners").exists()


def test_a_table_that_a_power_cut_damaged_is_made_anew(index: CompletionIndex, tmp_path: Path) -> None:
    index.close()
    file = tmp_path / "index.sqlite"
    whole = file.read_bytes()
    assert len(whole) > 2 * 4096
    for damaged in (b"no table" * 4096, whole[:4096] + bytes(len(whole) - 4096)):
        file.write_bytes(damaged)
        for _ in range(
            2
        ):  # what is damaged behind the first page is met by the first question, and then removed
            with suppress(UserError), CompletionIndex(index.rollouts, file) as again:
                assert list(again.update()) is not None
                assert len(find(again, Wanted())) == 9
                break
        else:
            raise AssertionError("it stays damaged")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_a_disk_that_refuses_the_table_is_a_sentence(
    index: CompletionIndex, tmp_path: Path, code: int
) -> None:
    def refused() -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = code
        raise error

    with pytest.raises(UserError, match=r"index\.sqlite: The completions cannot be indexed"), index:
        refused()
    assert (tmp_path / "index.sqlite").exists()


def test_winners_are_data_that_our_own_validator_takes_one_for_each_prompt(
    index: CompletionIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    own = taking_out.group_at
    monkeypatch.setattr(taking_out, "group_at", lambda file, at: read.append(at) or own(file, at))
    report = save_winners(index, tmp_path / "winners")
    assert (
        len(read) == 1 < len(find(index, Wanted(bounds={"right": (1, 1)})))
    )  # the winner's group, no other's
    assert (report.ok, report.accepted, report.rejected) == (True, 1, 0)
    (row,) = map(json.loads, (tmp_path / "winners" / "train.jsonl").read_text().splitlines())
    assert row == {"prompt": "100% of row_3", "completion": "say 2 0 0"}  # the newest, and the first of them
    with pytest.raises(UserError, match="is not empty"):
        save_winners(index, tmp_path / "winners")


def test_prompts_are_solved_hopeless_or_learnt_and_dropped_from_the_data(
    index: CompletionIndex, tmp_path: Path
) -> None:
    histories = histories_of(visits_of(index))
    assert [(one.row, one.kind, one.success) for one in histories] == [
        (4, "hopeless", 0),
        (3, "solved", 4 / 6),
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(f'{{"prompt": "p{n}", "answer": "{n}"}}\n' for n in range(6)))
    plan = drop_plan(open_dataset(data), histories, "hopeless")
    assert (plan.said, plan.count("train")) == ("Leaves out 1 train row that this run found hopeless.", 5)
    with pytest.raises(UserError, match="No prompt of this run is learning"):
        drop_plan(open_dataset(data), histories, "learning")


def test_a_completion_whose_tokens_were_recorded_has_them(index: CompletionIndex) -> None:
    trace = TokenTrace(pieces=["say", " 1"], log_ratio=[0.1, -0.2], entropy=[1.0, 0.0])
    told = TokenDetails(step=1, group=0, completions=[trace])
    with index.rollouts.open("a") as file:
        file.write(told.model_dump_json() + "\n")
    list(index.update())
    lines = lines_of(index, find(index, Wanted(bounds={"step": (1, 1)})))
    assert [trace_of(index, line) for line in lines] == [trace] + [None] * 5


def test_the_tables_of_runs_long_not_looked_at_go_and_one_goes_with_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    rollouts = [tmp_path / str(number) / "rollouts.jsonl" for number in range(22)]
    for moment, file in enumerate(rollouts):
        CompletionIndex(file).close()
        os.utime(index_path(file), (moment, moment))
    assert [number for number, file in enumerate(rollouts) if not index_path(file).exists()] == [0, 1]
    drop_index(rollouts[7])
    drop_index(rollouts[7])
    assert not index_path(rollouts[7]).exists()


def test_what_was_not_trained_on_has_no_advantage_and_is_sorted_last(index: CompletionIndex) -> None:
    told = group(3, 0, 1.0, 0.0, row=5)
    left_out = told.completions[0].model_copy(update={"advantage": None})
    written(index.rollouts, [told.model_copy(update={"completions": [left_out, told.completions[1]]})])
    list(index.update())
    ids = find(index, Wanted(bounds={"step": (3, 3)}, sort="advantage", descending=True))
    assert [line.advantage for line in lines_of(index, ids)] == [-0.5, None]
    assert record_of(index, lines_of(index, ids)[1])["advantage"] is None
