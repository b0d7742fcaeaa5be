"""A GGUF file sits an exam in llama.cpp: `python -m droid_tune.export.checking.sitting_llama FILE EXAM ANSWERS`.

llama.cpp comes as the optional package `xllamacpp`, whose server runs in this process and listens on this machine alone.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from droid_tune.export.checking.exam import Exam, ExamQuestion, ExamTurns, Sitting
from droid_tune.export.gguf.reading import GgufKeys, read_keys

#: alternatives whose probabilities are asked for
_BESIDE = 20
Ask = Callable[..., Any]


def sit_in_llama(file: Path, exam: Exam) -> Sitting:
    """What llama.cpp makes of the file. Raises RuntimeError where it cannot open it."""
    keys = read_keys(file)
    ask, templated = _opened(file, exam)
    marked = [_mark(ask, one) for one in exam.questions]
    answers = [_answer(ask, one, exam) for one in exam.questions]
    return Sitting(
        likeliest=[tokens for tokens, _ in marked],
        logprobs=[values for _, values in marked],
        own=[text for text, _ in answers],
        ended=[ended for _, ended in answers],
        encoded=[_encode(ask, one.text) for one in exam.questions],
        rendered=[
            _render(ask, one, keys) if templated and keys.chat_template else None
            for one in exam.conversations
        ],
        ends=keys.ends_among(exam.ends),
    )


def _opened(file: Path, exam: Exam) -> tuple[Ask, bool]:
    """Who answers, and whether llama.cpp takes the file's chat template: with one that it does not it opens no file."""
    try:
        return _served(file, exam), True
    except RuntimeError:
        return _served(file, exam, template="chatml"), False


def _served(file: Path, exam: Exam, template: str = "") -> Ask:
    import xllamacpp  # pyright: ignore[reportMissingImports]

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    longest = max(len(one.prompt) + len(one.answer) for one in exam.questions)
    # What is judged is the file: a program's own savings in its cache come on top, and are its user's to choose.
    exact = xllamacpp.ggml_type.GGML_TYPE_F32
    settings: dict[str, Any] = {
        "n_ctx": 16 + exam.most_tokens + longest,
        "n_parallel": 1,
        "warmup": False,
        "verbosity": 0,
        "chat_template": template,
        "cache_type_k": exact,
        "cache_type_v": exact,
        "flash_attn_type": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    }
    for name, value in settings.items():
        setattr(parameters, name, value)
    server: Any = xllamacpp.Server(parameters)

    def ask(path: str, **values: Any) -> Any:
        request = urllib.request.Request(
            server.listening_address + path,
            json.dumps(values).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    return ask


def _mark(ask: Ask, question: ExamQuestion) -> tuple[list[int], list[float | None]]:
    """One token at a time behind the right tokens before it: a server tells no probabilities of given ones."""
    likeliest: list[int] = []
    logprobs: list[float | None] = []
    for place, token in enumerate(question.answer):
        behind = [*question.prompt, *question.answer[:place]]
        said = ask("/completion", **_greedy(behind, 1), n_probs=_BESIDE, return_tokens=True)
        # Of half a character, and of an end, no probabilities are told.
        told = said.get("completion_probabilities") or [{"top_logprobs": []}]
        by_token = {int(one["id"]): float(one["logprob"]) for one in told[0]["top_logprobs"]}
        first = said["tokens"][0] if said["tokens"] else None
        ended = token if said["stop_type"] == "eos" else -1
        likeliest.append(int(first) if first is not None else ended)
        logprobs.append(by_token.get(token))
    return likeliest, logprobs


def _answer(ask: Ask, question: ExamQuestion, exam: Exam) -> tuple[str, bool]:
    said = ask("/completion", **_greedy(question.prompt, exam.most_tokens))
    return str(said["content"]), said["stop_type"] == "eos"


def _greedy(prompt: list[int], tokens: int) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "n_predict": tokens,
        "temperature": 0.0,
        "cache_prompt": True,
        "samplers": ["temperature"],
    }


def _encode(ask: Ask, text: str) -> list[int]:
    said = ask("/tokenize", content=text, add_special=False, parse_special=True)
    return [int(token) for token in said["tokens"]]


def _render(ask: Ask, conversation: ExamTurns, keys: GgufKeys) -> str | None:
    """As the model sees it: with the token at the beginning that is put there behind the template."""
    try:
        text = str(ask("/apply-template", messages=conversation.turns)["prompt"])
    except OSError:  # it refuses the turns
        return None
    return text if text.startswith(keys.beginning) else keys.beginning + text


def main(file: str, exam: str, answers: str) -> None:
    """Write what llama.cpp says to `answers`."""
    asked = Exam.from_json(json.loads(Path(exam).read_text(encoding="utf-8")))
    said = sit_in_llama(Path(file), asked)
    Path(answers).write_text(json.dumps(said.to_json()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
