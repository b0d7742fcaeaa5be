"""How long the rows of the data are in the model's own tokens, from an even sample of them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from droid_tune.config import RunConfig
from droid_tune.data.dataset import Dataset, Rows, open_configured
from droid_tune.data.formats.base import Row
from droid_tune.data.templates import turns_of
from droid_tune.estimate.job import ASSUMED_ANSWER, DataLengths
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.tokenizer import declares_chat_template, load_fast_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: rows measured, spread over the split
MEASURED_ROWS = 400
#: tokens that a chat template puts around a prompt
FRAME_TOKENS = 16


def measure_data(config: RunConfig) -> DataLengths | None:
    """Open the run's data and measure it; None where the tokenizer is not at hand. Raises UserError for bad data."""
    return measure(open_configured(config.data, config.method.type), config)


def measure(dataset: Dataset, config: RunConfig) -> DataLengths | None:
    """Lengths of `dataset`'s training rows in the tokens of the run's model."""
    folder = local_model(config.model.path, config.model.revision)
    tokenizer = None if folder is None else load_fast_tokenizer(folder)
    if folder is None or tokenizer is None or not len(dataset.train):
        return None
    frame = FRAME_TOKENS if declares_chat_template(folder) else 0
    frame += _count(tokenizer, [config.data.system_prompt])[0]
    rows = _sample(dataset.train)
    turns = [_turns(row) for row in rows]
    asked = [prompt for prompt, _ in turns]
    prompts = [
        frame + count if text else 0 for text, count in zip(asked, _count(tokenizer, asked), strict=True)
    ]
    answers = _count(tokenizer, [answer for _, answer in turns if answer])
    return DataLengths(
        median_prompt=int(median(prompts)),
        longest_prompt=max(prompts),
        median_answer=int(median(answers)) if answers else ASSUMED_ANSWER,
        longest_answer=max(answers, default=ASSUMED_ANSWER),
        rows=len(dataset.train),
        held_out_rows=len(dataset.valid),
    )


def _sample(rows: Rows) -> list[Row]:
    count = len(rows)
    step = max(1, count // MEASURED_ROWS)
    return [rows.row(place) for place in range(0, count, step)]


def _turns(row: Row) -> tuple[str, str]:
    """What is read and what is answered, as plain text; a row of text alone is answered whole."""
    if "prompt" not in row and "messages" not in row:
        return "", str(row.get("text") or "")
    contents = [(turn["role"], str(turn["content"])) for turn in turns_of(row)]
    answered = bool(contents) and contents[-1][0] == "assistant"
    read = contents[:-1] if answered else contents
    return "\n".join(content for _, content in read), contents[-1][1] if answered else ""


def bare_tokens(tokenizer: Tokenizer, row: Row, *, whole: bool) -> int:
    """Tokens of a row's own text, without what a template adds: of the prompt, or of the `whole` with its answer."""
    read, answer = _turns(row)
    return sum(_count(tokenizer, [read, answer] if whole else [read]))


def _count(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    return [len(encoded.ids) for encoded in tokenizer.encode_batch(texts, add_special_tokens=False)]
