"""One measure of lengths: estimate, readiness and statistics count what the run renders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.control import Watch
from droid_tune.data.dataset import open_configured
from droid_tune.data.lens import MEASURED_ROWS, Lens, SequenceLength, prompt_length
from droid_tune.data.statistics import statistics
from droid_tune.data.templates import TemplateOptions, render_examples, render_prompt
from droid_tune.errors import Stopped
from droid_tune.estimate.lengths import FRAME_TOKENS, measure_data
from droid_tune.estimate.readiness import data_readiness
from tests.engine.data.rendering.tokenizers import tokenizer

ASKED: dict[str, Any] = {"prompt": [{"role": "user", "content": "What is two plus two?"}], "answer": "4"}
CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}],
}


def test_a_prompt_is_counted_with_what_the_template_puts_around_it() -> None:
    starter, options = tokenizer("starter"), TemplateOptions(system_prompt="Be brief.")
    bare = len(starter.encode("What is two plus two?", add_special_tokens=False))
    rendered = len(render_prompt(starter, ASKED, options).tokens)
    assert Lens(starter, options).measure(ASKED).sequences == (SequenceLength(rendered),)
    assert rendered > bare


def test_an_example_is_read_up_to_its_answer_and_learnt_from_there(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps(CHAT) + "\n")
    config = resolve({"method": {"type": "sft"}, "data": {"path": str(tmp_path)}})
    row = open_configured(config.data, "sft").train[0]
    starter = tokenizer("starter")
    (example,) = render_examples(starter, row)
    (one,) = Lens.of(config, starter).measure(row).sequences
    assert (one.learnt, one.tokens) == (sum(example.answer_mask), len(example.tokens))


def test_a_sample_is_bounded_and_can_be_ended() -> None:
    lens = Lens(tokenizer("starter"))
    assert len(list(lens.sample([ASKED] * (2 * MEASURED_ROWS - 1)))) == MEASURED_ROWS
    assert len(list(lens.sample([ASKED] * 3))) == 3
    with pytest.raises(Stopped):
        list(lens.sample([ASKED], Watch(should_stop=lambda: True)))


def test_rows_that_a_run_leaves_out_are_not_estimated() -> None:
    long = {**ASKED, "prompt": "two plus two? " * 40}
    lens = Lens(tokenizer("starter"), limit=40)
    assert [one.longest <= 40 for one in lens.sample([ASKED, long])] == [True, False]
    assert len(lens.sample_that_fits([ASKED, long])) == 1


def test_all_who_ask_are_told_one_length(tmp_path: Path) -> None:
    rows = [{"prompt": "What is two plus two?" * count, "answer": "4"} for count in (1, 2, 3)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = resolve(
        {
            "data": {"path": str(tmp_path), "system_prompt": "Be brief."},
            "sampling": {"max_completion_length": 16},
        }
    )
    dataset, starter = open_configured(config.data, config.method.type), tokenizer("starter")
    options = TemplateOptions(config.data.system_prompt)
    longest = prompt_length(starter, dataset.train[2], options)
    lengths = measure_data(config)
    assert lengths is not None
    assert lengths.longest_prompt == longest
    assert statistics(dataset, starter, options=options).splits["train"].prompt_tokens.longest == longest
    quick, readiness = measure_data(config, quick=True), data_readiness(config)
    assert quick is not None
    assert readiness is not None
    assert quick.longest_prompt == readiness.longest
    bare = [len(starter.encode(text, add_special_tokens=False)) for text in ("Be brief.", rows[2]["prompt"])]
    assert quick.longest_prompt == sum(bare) + FRAME_TOKENS
