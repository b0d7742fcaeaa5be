"""The longest row decides memory: it is found among many, and the run plans for the lengths that the estimate tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.config import RunConfig, resolve
from droid_tune.data.dataset import open_configured
from droid_tune.data.rendering.looking_through import look_through
from droid_tune.estimate.estimate import estimate
from droid_tune.estimate.job import DataLengths, job_of
from droid_tune.estimate.lengths import measure_data
from droid_tune.model.loading import load_policy
from droid_tune.model.plan_for import plan_for
from droid_tune.model_files.read_facts import facts_of
from droid_tune.paths import starter_model_dir
from droid_tune.train.rows.row_reader import Chosen, RowReader

SHORT, LONG = "two", "two and two are four " * 9
AMONG = 1201


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """SFT of many short rows and one long one that no even sample meets; one is longer than fits."""
    answers = {17: LONG, 18: 20 * LONG}
    rows = [{"prompt": "two?", "completion": answers.get(place, SHORT)} for place in range(AMONG)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return resolve({"method": "sft", "data": {"path": str(tmp_path)}, "training": {"max_seq_length": 256}})


@pytest.mark.parametrize("quick", [False, True])
def test_one_long_row_among_many_is_found(config: RunConfig, quick: bool) -> None:
    found = measure_data(config, quick=quick)
    assert found is not None
    assert found.median_answer < 5
    assert found.longest_answer == 47


def test_a_run_knows_the_longest_of_all_its_rows(config: RunConfig) -> None:
    policy = load_policy(str(starter_model_dir()), config.adapter)
    reader = RowReader(policy.tokenizer, config, policy.context_length)
    rows = open_configured(config.data, "sft").train
    looked_at = look_through(rows, reader.lens)
    assert looked_at is not None
    lengths = reader.lengths(Chosen(rows, looked_at.usable, looked_at), 0)
    foretold = measure_data(config)
    assert lengths is not None
    assert foretold is not None
    assert lengths.longest_row == foretold.longest_row
    plan, told = plan_for(config, policy, lengths), estimate(config, foretold).plan
    assert (plan.train_rows, plan.layer_wise) == (told.train_rows, told.layer_wise)


def test_a_long_prompt_and_a_long_answer_need_not_be_one_row() -> None:
    lengths = DataLengths(10, 1500, 10, 1500, longest_row=1520)
    config = resolve({"method": "sft", "training": {"max_seq_length": 4096}})
    job = job_of(config, facts_of({}, ()), lengths)
    assert job.longest_prompt + job.longest_completion == 1536
