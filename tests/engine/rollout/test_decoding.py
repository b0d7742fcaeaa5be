"""What rewards see of a completion: everything but the token that ended it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from droid_tune.config.sampling import SamplingConfig
from droid_tune.model.policy import Policy
from droid_tune.model_files.tokenizer import load_tokenizer
from droid_tune.rollout.decoding import (
    TextStream,
    completion_text,
    ending_tokens,
    ends_in_stop_string,
)
from tests.engine.model.tiny import tiny_policy

TEXT = "<think> two </think> 4"


@pytest.fixture(scope="module")
def policy() -> Policy:
    """A policy whose thinking tags are special tokens."""
    words = ["<unk>", "<think>", "</think>", "</answer>", "<end>", "<other>", "two", "4"]
    raw = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    raw.add_special_tokens([AddedToken(word, special=True) for word in words[1:6]])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<end>", additional_special_tokens=words[1:6]
    )
    return replace(tiny_policy(), tokenizer=tokenizer, stop_tokens=frozenset({4}))


def ids(policy: Policy, text: str) -> list[int]:
    return policy.tokenizer.encode(text, add_special_tokens=False)


def test_tags_that_are_special_tokens_stay_and_the_end_token_is_cut(policy: Policy) -> None:
    assert completion_text(policy, ids(policy, TEXT + " <end>")) == TEXT


def test_a_completion_that_was_cut_off_loses_nothing(policy: Policy) -> None:
    assert completion_text(policy, ids(policy, TEXT)) == TEXT
    assert completion_text(policy, []) == ""


def test_an_end_that_the_run_adds_is_cut_unless_it_closes_a_tag(policy: Policy) -> None:
    sampling = SamplingConfig(extra_stop_tokens=("<other>", "</answer>"))
    assert ending_tokens(policy, sampling) == {3, 4, 5}
    assert completion_text(policy, ids(policy, "4 <other>")) == "4"
    assert completion_text(policy, ids(policy, "4 </answer>")) == "4 </answer>"


def test_qwen_3_keeps_its_tags(policy: Policy, shared_dir: Path) -> None:
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(shared_dir / "tokenizers" / "qwen3")
    text = "<think>\nTwo.\n</think>\n\n4"
    qwen = replace(policy, tokenizer=tokenizer, stop_tokens=frozenset({tokenizer.eos_token_id}))
    assert completion_text(qwen, ids(qwen, text + tokenizer.eos_token)) == text


STREAMED = [
    " hello there, twelve and  two spaces",
    "naïve café 你好，世界 🙂 done",
    "\n\nAnswer: 12.\n",
    "x",
]


@pytest.mark.parametrize("text", STREAMED)
@pytest.mark.parametrize(
    "place", ["models/stories260K", "models/SmolLM2-135M-Instruct-4bit", "tokenizers/qwen3"]
)
def test_a_stream_adds_up_to_the_text_first_space_included(shared_dir: Path, place: str, text: str) -> None:
    tokenizer = load_tokenizer(shared_dir / place)
    real = replace(tiny_policy(), tokenizer=tokenizer, stop_tokens=frozenset({tokenizer.eos_token_id}))
    tokens = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]

    stream = TextStream(real)
    pieces = [stream.add(token) for token in tokens]

    assert "".join(pieces) == completion_text(real, tokens)
    assert sum(map(bool, pieces)) >= len(tokens) // 3  # it comes as it is sampled, not at the end


@pytest.mark.parametrize("stop", ["###", "終わりです。ここまで。", "🏁🏁🏁🏁🏁"])
def test_a_stop_text_is_seen_however_many_tokens_it_has(
    policy: Policy, stories_model: Path, stop: str
) -> None:
    """A letter may be four tokens of a byte each; the tail that was looked at had one a letter and eight."""
    stories = replace(policy, tokenizer=load_tokenizer(stories_model))
    sampling, tokens = SamplingConfig(stop_strings=(stop,)), ids(stories, "Once upon a time" + stop)
    assert ends_in_stop_string(stories, sampling, tokens)
    assert not ends_in_stop_string(stories, sampling, tokens[:-1])
