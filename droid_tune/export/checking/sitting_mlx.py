"""A model and tokenizer of mlx-lm sit an exam: the run's own here, the written one in a process of its own.

As a program it is `python -m droid_tune.export.checking.sitting_mlx MODEL ADAPTER EXAM ANSWERS`: mlx-lm alone opens
what was written, as its user's program would, with nothing of a run in memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.generate import generate_step

from droid_tune.control import UNWATCHED, Watch
from droid_tune.export.checking.exam import Exam, ExamQuestion, ExamTurns, Sitting


def sit(model: Any, tokenizer: Any, exam: Exam, watch: Watch = UNWATCHED) -> Sitting:
    """Every question, by full passes and by free greedy answers. Raises `Stopped`."""
    marked: list[tuple[list[int], list[float | None]]] = []
    for question in exam.questions:
        watch.pause_point()
        marked.append(_mark(model, question))
    answers = [own_answer(model, tokenizer, one.prompt, exam.most_tokens, watch) for one in exam.questions]
    return Sitting(
        likeliest=[tokens for tokens, _ in marked],
        logprobs=[values for _, values in marked],
        own=[tokenizer.decode(tokens) for tokens, _ in answers],
        ended=[ended for _, ended in answers],
        encoded=[list(tokenizer.encode(one.text, add_special_tokens=False)) for one in exam.questions],
        rendered=[render(tokenizer, one) for one in exam.conversations],
        ends=sorted(int(token) for token in tokenizer.eos_token_ids),
    )


def own_answer(
    model: Any, tokenizer: Any, prompt: list[int], most_tokens: int, watch: Watch = UNWATCHED
) -> tuple[list[int], bool]:
    """The greedy tokens behind a prompt without the one that ended them, and whether one did. Raises `Stopped`.

    One row at a time: mlx-lm's batches answer otherwise in some families (findings/mlx_lm_batch_gemma2.sh).
    """
    said: list[int] = []
    for token, _ in generate_step(mx.array(prompt), model, max_tokens=most_tokens):
        watch.pause_point()
        if int(token) in tokenizer.eos_token_ids:
            return said, True
        said.append(int(token))
    return said, False


def likeliest_next(model: Any, tokens: list[int]) -> int:
    """The token that a model would say next."""
    return int(np.array(mx.argmax(model(mx.array([tokens]))[0, -1])))


def render(tokenizer: Any, conversation: ExamTurns) -> str | None:
    """The conversation behind the tokenizer's own template; None where it has none or refuses the turns."""
    if not getattr(tokenizer, "has_chat_template", False):
        return None
    try:
        return str(
            tokenizer.apply_chat_template(conversation.turns, tokenize=False, add_generation_prompt=True)
        )
    except Exception:  # a template is a program of the model's: whatever it raises is its refusal
        return None


def _mark(model: Any, question: ExamQuestion) -> tuple[list[int], list[float | None]]:
    """The likeliest token at each place of the given answer, and the log-probability of the given one."""
    if not question.answer:
        return [], []
    tokens = mx.array([[*question.prompt, *question.answer]])
    start = len(question.prompt) - 1
    logits = model(tokens[:, :-1])[0, start:].astype(mx.float32)
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    given = mx.take_along_axis(logprobs, mx.array(question.answer)[:, None], axis=-1)[:, 0]
    return _numbers(mx.argmax(logits, axis=-1)), _numbers(given)


def _numbers(array: mx.array) -> list[Any]:
    found: Any = array.tolist()
    return list(found)


def main(model: str, adapter: str, exam: str, answers: str) -> None:
    """Open `model` (with `adapter`, where one is named) by mlx-lm and write what it says to `answers`."""
    from mlx_lm import load

    opened: Any = load(model, adapter_path=adapter or None)
    asked = Exam.from_json(json.loads(Path(exam).read_text(encoding="utf-8")))
    for token in asked.ends if adapter else ():  # an adapter cannot name them: its user is told to
        opened[1].add_eos_token(str(token))
    said = sit(opened[0], opened[1], asked)
    Path(answers).write_text(json.dumps(said.to_json()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
