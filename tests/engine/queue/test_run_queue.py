"""The queue on disk: order, states, odd files, and what a kill between two writes leaves."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.config import RunConfig, dump_yaml, resolve
from droid_tune.errors import DiskError, UserError
from droid_tune.queue.queue_turns import at_work, begin_turn, settle_turn
from droid_tune.queue.queued_run import FRUITLESS, QueuedRun
from droid_tune.queue.run_queue import Direction, RunQueue
from droid_tune.runs.folder import create_run, list_runs
from droid_tune.runs.status import write_status


def named(name: str) -> RunConfig:
    return resolve({"name": name})


@pytest.fixture
def queue() -> RunQueue:
    """With the runs a, b and c waiting."""
    made = RunQueue()
    for name in "abc":
        made.add(named(name))
    return made


def order(queue: RunQueue) -> str:
    return "".join(run.name for run in queue.runs())


def states(queue: RunQueue) -> dict[str, str]:
    return {run.name: run.state for run in queue.runs()}


def test_a_full_disk_says_what_to_do_with_the_queue(queue: RunQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("droid_tune.runs.disk.durable.sync_file", full)
    for change in (lambda: queue.add(named("d")), lambda: queue.set_mode("on")):
        with pytest.raises(DiskError, match="free some and try again"):
            change()
    assert (order(queue), queue.mode) == ("abc", "off")


def test_an_empty_queue_is_paused_and_has_nothing_to_begin() -> None:
    queue = RunQueue()
    assert (queue.runs(), queue.mode, queue.has_worker) == ([], "off", False)
    with at_work(queue):
        assert begin_turn(queue) is None


@pytest.mark.parametrize(
    ("moved", "where", "expected"),
    [
        ("c", "first", "cab"),
        ("a", "last", "bca"),
        ("c", "up", "acb"),
        ("a", "down", "bac"),
        ("a", "up", "abc"),
        ("c", "down", "abc"),
        ("a", 2, "bac"),
        ("b", 1, "bac"),
        ("a", 99, "bca"),
    ],
)
def test_a_run_is_moved(moved: str, where: Direction | int, expected: str, queue: RunQueue) -> None:
    queue.move(next(run for run in queue.runs() if run.name == moved), where)
    assert order(queue) == expected


def test_two_runs_trade_places_a_hundred_times(queue: RunQueue) -> None:
    """Halving the gap between two places runs out of numbers after some fifty moves."""
    for _ in range(100):
        queue.move(queue.runs()[2], 2)
    assert order(queue) == "abc"
    assert len({run.place for run in queue.runs()}) == 3


def test_a_turn_is_given_out_settled_and_never_given_twice(queue: RunQueue) -> None:
    with at_work(queue):
        first = begin_turn(queue)
        assert first is not None
        assert first.folder is not None
        settle_turn(queue, first, "completed")
        second = begin_turn(queue)
        assert second is not None
        settle_turn(queue, second, "failed", "The disk is full.")
        third = begin_turn(queue)
        assert third is not None
        settle_turn(queue, third, "stopped")
        again = begin_turn(queue)
        assert again is not None
        assert again.id == third.id
        settle_turn(queue, again, "held", "Stopped after step 9, as asked for.")
        assert begin_turn(queue) is None
        queue.release(again)
    assert states(queue) == {"a": "completed", "b": "failed", "c": "waiting"}
    assert queue.runs()[1].why == "The disk is full."
    assert len(list_runs()) == 3


def test_settings_that_somebody_else_put_into_the_queue_are_not_run(queue: RunQueue) -> None:
    own = resolve({"name": "own", "rewards": [{"type": "user_file", "path": "/a/mine.py"}]})
    queue.add(own)
    queue.config_file(queue.runs()[-1].id).with_name("foreign.yaml").write_text(
        dump_yaml(own).replace("mine.py", "theirs.py")
    )
    with at_work(queue):
        queue.set_mode("on")
        while (begun := begin_turn(queue)) is not None:
            settle_turn(queue, begun, "completed")
    ended = {run.id: run for run in queue.runs()}
    assert ended["foreign"].state == "failed"
    assert "nobody here allowed: runs the Python file /a/theirs.py" in ended["foreign"].why
    assert [run.state for run in ended.values()].count("completed") == len(ended) - 1
    assert len(list_runs()) == len(ended) - 1


def test_what_was_cut_off_goes_first_and_in_its_own_folder(queue: RunQueue) -> None:
    with at_work(queue):
        begun = begin_turn(queue)
    assert begun is not None
    queue.move(begun, "last")  # a new process begins here
    with at_work(queue):
        again = begin_turn(queue)
    assert again is not None
    assert (again.id, again.run) == (begun.id, begun.run)


def test_a_kill_between_the_state_and_the_folder_makes_that_folder_later(queue: RunQueue) -> None:
    first = queue.runs()[0]
    chosen = queue.folder.parent / "runs" / "chosen"
    queue.write(first.changed(state="running", run=str(chosen)))
    with at_work(queue):
        begun = begin_turn(queue)
    assert begun is not None
    assert (begun.run, (chosen / "config.yaml").exists()) == (str(chosen), True)


def test_a_run_whose_folder_was_thrown_away_is_not_trained_anew_unasked(queue: RunQueue) -> None:
    with at_work(queue):
        begun = begin_turn(queue)
        assert begun is not None
        settle_turn(queue, begun, "stopped")
        shutil.rmtree(begun.run)
        following = begin_turn(queue)
        assert following is not None
        assert following.name == "b"
    thrown = queue.find(begun.id)
    assert thrown.state == "failed"
    assert "is gone; release it to train it anew" in thrown.why
    queue.release(thrown)
    assert (queue.find(begun.id).state, queue.find(begun.id).run) == ("waiting", "")


def test_a_kill_between_the_end_and_its_mark_trains_nothing_twice(queue: RunQueue) -> None:
    with at_work(queue):
        begun = begin_turn(queue)
        assert begun is not None
        write_status(Path(begun.run), state="completed", step=200, total_steps=200)
    with at_work(queue):
        following = begin_turn(queue)
    assert following is not None
    assert following.name == "b"
    assert states(queue)["a"] == "completed"


def test_a_run_that_never_gets_further_lets_the_others_go_first(queue: RunQueue) -> None:
    begun: list[QueuedRun | None] = []
    for _ in range(FRUITLESS + 1):
        with at_work(queue):
            begun.append(begin_turn(queue))
    assert [run.name for run in begun if run] == ["a", "a", "a", "b"]


def test_a_run_that_is_held_back_is_passed_over_until_it_is_released(queue: RunQueue) -> None:
    held = queue.runs()[0]
    queue.hold(held)
    with at_work(queue):
        begun = begin_turn(queue)
    assert begun is not None
    assert begun.name == "b"
    queue.release(held)
    assert states(queue) == {"a": "waiting", "b": "running", "c": "waiting"}
    with pytest.raises(UserError, match="“b” is running and cannot be held back"):
        queue.hold(begun)


def test_a_failed_run_may_wait_again(queue: RunQueue) -> None:
    failed = queue.runs()[0]
    queue.write(failed.changed(state="failed", why="No space."))
    queue.release(failed)
    assert (queue.runs()[0].state, queue.runs()[0].why) == ("waiting", "")


def test_only_one_process_works_the_queue_off(queue: RunQueue) -> None:
    with (
        at_work(queue),
        pytest.raises(UserError, match="worked off by another Droid Tune already"),
        at_work(queue),
    ):
        pass
    with at_work(queue):
        assert queue.has_worker


@pytest.mark.parametrize(
    "odd", ['"added": NaN', '"added": 1e300', '"added": -1', '"place": Infinity', '"added": []']
)
def test_a_time_that_is_none_holds_that_run_back_and_the_list_lists(
    queue: RunQueue, odd: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = queue.runs()[0]
    (queue.folder / f"{first.id}.json").write_text(f'{{"id": "x", "name": "a", {odd}}}')
    assert main(["queue", "list"]) == 0
    assert f"Its {first.id}.json cannot be read" in capsys.readouterr().out
    assert queue.find(first.id).state == "held"


def test_one_odd_file_hides_nothing(queue: RunQueue) -> None:
    first = queue.runs()[0]
    (queue.folder / f"{first.id}.json").write_text("[1, 2")
    (queue.folder / "mode").write_text("\x00")
    (queue.folder / "by-hand.yaml").write_text("name: by hand\n")
    (queue.folder / "broken.yaml").write_text("- no settings\n")
    found = {run.id: run for run in queue.runs()}
    assert len(found) == 5
    assert found[first.id].state == "held"
    assert "cannot be read" in found[first.id].why
    assert queue.mode == "off"
    queue.set_mode("on")
    ended = []
    with at_work(queue):
        while (run := begin_turn(queue)) is not None:
            settle_turn(queue, run, "completed")
            ended.append(run.id)
    assert len(ended) == 3
    broken = queue.find("broken")
    assert broken.state == "failed"
    assert "must hold settings" in broken.why


def test_what_is_taken_out_is_gone_but_for_what_it_trained(queue: RunQueue) -> None:
    with at_work(queue):
        begun = begin_turn(queue)
        assert begun is not None
        with pytest.raises(UserError, match="“a” is training; pause the queue first"):
            queue.remove(begun)
        settle_turn(queue, begun, "stopped")
    queue.remove(queue.find(begun.id))
    settle_turn(queue, begun, "completed")
    assert order(queue) == "bc"
    assert begun.folder is not None
    with pytest.raises(UserError, match="“a” is not in the queue any more"):
        queue.hold(begun)


def test_what_has_ended_is_cleared(queue: RunQueue) -> None:
    a, b, _ = queue.runs()
    queue.write(a.changed(state="completed"))
    queue.write(b.changed(state="failed"))
    assert queue.clear() == 2
    assert order(queue) == "c"


def test_a_run_is_found_by_number_and_by_the_beginning_of_its_id(queue: RunQueue) -> None:
    b = queue.runs()[1]
    assert queue.find("2") == b
    assert queue.find(b.id) == queue.find("b") == b
    with pytest.raises(UserError, match="has no run `9`; it holds 3 runs"):
        queue.find("9")
    with pytest.raises(UserError, match="fits 3 runs"):
        queue.find(b.id[:8])


def test_a_stopped_run_goes_on_in_its_folder(queue: RunQueue) -> None:
    folder = create_run(named("earlier"))
    queue.move(queue.add(named("earlier"), folder), "first")
    with at_work(queue):
        begun = begin_turn(queue)
    assert begun is not None
    assert begun.folder == folder
