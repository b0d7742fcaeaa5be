"""A PEFT adapter sits an exam: `python -m droid_tune.export.checking.sitting_peft BASE ADAPTER EXAM ANSWERS`.

Transformers, PEFT and torch are none of the application's own: this runs where someone has them.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from droid_tune.export.checking.exam import Exam, ExamQuestion, Sitting


def sit_in_peft(base: Path, adapter: Path, exam: Exam) -> Sitting:
    """What the adapter on its base says in float32 on the processor. It says nothing of tokenizer and template: an
    adapter has none."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    plain = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    model: Any = PeftModel.from_pretrained(plain, str(adapter)).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(str(base))
    with torch.no_grad():
        marked = [_mark(model, torch, one) for one in exam.questions]
        answers = [_answer(model, torch, one, exam) for one in exam.questions]
    return Sitting(
        likeliest=[tokens for tokens, _ in marked],
        logprobs=[values for _, values in marked],
        own=[tokenizer.decode(tokens) for tokens, _ in answers],
        ended=[ended for _, ended in answers],
        encoded=None,
        rendered=None,
        ends=None,
    )


def _mark(model: Any, torch: Any, question: ExamQuestion) -> tuple[list[int], list[float | None]]:
    if not question.answer:
        return [], []
    tokens = torch.tensor([[*question.prompt, *question.answer]])
    logits = model(tokens[:, :-1]).logits[0, len(question.prompt) - 1 :].float()
    given = torch.log_softmax(logits, -1).gather(1, torch.tensor(question.answer)[:, None])[:, 0]
    return logits.argmax(-1).tolist(), given.tolist()


def _answer(model: Any, torch: Any, question: ExamQuestion, exam: Exam) -> tuple[list[int], bool]:
    """Greedy tokens without the one that ended them, and whether one did."""
    said = model.generate(
        input_ids=torch.tensor([question.prompt]),
        attention_mask=torch.ones(1, len(question.prompt), dtype=torch.long),
        max_new_tokens=exam.most_tokens,
        do_sample=False,
        eos_token_id=list(exam.ends),
        pad_token_id=exam.ends[0],
    )
    tokens: list[int] = said[0, len(question.prompt) :].tolist()
    return (tokens[:-1], True) if tokens and tokens[-1] in exam.ends else (tokens, False)


def main(base: str, adapter: str, exam: str, answers: str) -> None:
    """Write what the adapter says to `answers`."""
    asked = Exam.from_json(json.loads(Path(exam).read_text(encoding="utf-8")))
    said = sit_in_peft(Path(base), Path(adapter), asked)
    Path(answers).write_text(json.dumps(said.to_json()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
