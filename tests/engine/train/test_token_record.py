"""What an update did to single tokens is told now and then, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.events import RolloutGroup, Step, TokenDetails
from droid_tune.train.exploring import token_record
from droid_tune.train.exploring.token_record import TokenRecorder
from tests.engine.train.conftest import digest, tiny, train


def test_tokens_of_a_group_are_told_with_their_change_and_change_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(training={"iterations": 2})
    _, record = train(config, tmp_path / "told")
    (told,) = [event for event in record if isinstance(event, TokenDetails)]  # every second step
    groups = [event for event in record if isinstance(event, RolloutGroup) and event.step == told.step]
    group = next(one for one in groups if one.group == told.group)
    assert told.step == 2
    for trace, completion in zip(told.completions, group.completions, strict=False):
        assert "".join(trace.pieces) == completion.text
        assert len(trace.pieces) == len(trace.log_ratio) == len(trace.entropy) == completion.length
        assert min(trace.entropy) >= 0
    weighted = sum(
        completion.advantage * sum(trace.log_ratio)
        for trace, completion in zip(told.completions, group.completions, strict=False)
    )
    assert weighted > 0  # the better ones became likelier, or the worse ones less so
    order = [event.type for event in record if isinstance(event, (RolloutGroup, TokenDetails, Step))]
    assert order[-2:] == ["tokens", "step"]
    monkeypatch.setattr(TokenRecorder, "tell", lambda _: None)
    train(config, tmp_path / "silent")
    assert digest(tmp_path / "told") == digest(tmp_path / "silent")


def test_advantages_of_tokens_choose_a_group_too_and_a_record_has_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REINFORCE++ and PPO have one for each token: the group is found all the same."""
    whole = tiny().sampling.max_completion_length
    monkeypatch.setattr(token_record, "MOST_TOKENS", 2 * whole)
    config = tiny(method={"type": "reinforce_pp", "group_size": 4}, training={"iterations": 2})
    end, record = train(config, tmp_path / "run")
    assert end.outcome == "completed", end.why
    (told,) = [event for event in record if isinstance(event, TokenDetails)]
    assert 0 < sum(len(trace.pieces) for trace in told.completions) <= 2 * whole
    assert len(told.completions) < 4  # what has no room is left out whole
