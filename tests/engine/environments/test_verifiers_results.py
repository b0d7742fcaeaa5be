"""Results of the calls of a turn are known by their ids, whatever order the library answers in."""

from __future__ import annotations

from droid_tune.environments.episode import CallRecord, ToolCall
from droid_tune.environments.verifiers_episode import results_of

CALLS = [
    {"id": "call00004", "type": "function", "function": {"name": "add", "arguments": "{}"}},
    {"id": "call00005", "type": "function", "function": {"name": "take", "arguments": "{}"}},
]
GOOD = [ToolCall("add", {"a": 1}), ToolCall("take", {"a": 2})]


def test_results_stand_in_the_order_of_their_calls() -> None:
    added = [
        {"role": "tool", "tool_call_id": "call00005", "content": "second"},
        {"role": "tool", "tool_call_id": "call00004", "content": "first"},
        {"role": "user", "content": "Go on."},
    ]
    records, others = results_of(added, CALLS, GOOD, 100)
    assert records == [
        CallRecord("add", {"a": 1}, "done", "first"),
        CallRecord("take", {"a": 2}, "done", "second"),
    ]
    assert [one.content for one in others] == ["Go on."]


def test_results_without_ids_are_taken_in_order_and_a_missing_one_leaves_the_others_theirs() -> None:
    records, _ = results_of(
        [{"role": "tool", "content": "first"}, {"role": "tool", "content": "2nd"}], CALLS, GOOD, 3
    )
    assert [one.result.partition("\n")[0] for one in records] == ["fir", "2nd"]
    records, _ = results_of([{"role": "tool", "tool_call_id": "call00005", "content": "x"}], CALLS, GOOD, 9)
    assert records == [CallRecord("take", {"a": 2}, "done", "x")]
