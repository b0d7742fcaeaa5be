"""Make `resources/tools-starter` but its tools and settings: `.venv/bin/python packaging/make_tools_starter.py`.

The second starter is a Llama of 247,600 parameters for the bundled example of tools and turns. It learnt whole conversations
of `droid_tune.data.synthetic.shop`, in which somebody mostly guesses, calls a tool in a form that no tool understands, or
stops halfway, and sometimes looks the price up, multiplies and is right. What the tools say to a call that fails are the
application's own sentences. Everything is seeded; the last bits of the weights depend on the machine's matrix library. On
Linux preload OpenBLAS: then it takes some seven minutes of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

from starter_workshop import END, PAD, Recipe, make_model, write_rows

from droid_tune.data.synthetic.shop import dialogues, shop_rows
from droid_tune.environments.calls.tagged import HERMES
from droid_tune.environments.replies import refusal
from droid_tune.environments.workers.tool_schema import tool_schema
from droid_tune.paths import tools_starter_dir

SEED = 30
CORPUS_ROWS = 16_000
TRAIN_ROWS, VALID_ROWS = 400, 100

# As the first starter's, and JSON's punctuation in one piece, so that a call has few tokens; numbers in pairs of digits,
# the same behind a space and behind a bracket, so that they are easily copied.
WORDS = r"</?tool_call>|[ -]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s"

CHAT_TEMPLATE = """\
{%- if tools -%}
    {{- '<|system|>Tools:' -}}
    {%- for tool in tools -%}
        {%- set called = tool.function if tool.function else tool -%}
        {{- '\\n' + called.name + '(' + called.parameters.properties | join(', ') + ') ' -}}
        {{- (called.description or '').split('\\n')[0] -}}
    {%- endfor -%}
    {{- '<|end|>' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|' + message.role + '|>' + (message.content or '') | trim -}}
    {%- for call in message.tool_calls or [] -%}
        {%- set called = call.function if call.function else call -%}
        {{- '\\n' if message.content or not loop.first -}}
        {{- '<tool_call>\\n{"name": "' + called.name + '", "arguments": ' + called.arguments | tojson + '}\\n</tool_call>' -}}
    {%- endfor -%}
    {{- '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>' -}}
{%- endif -%}
"""

RECIPE = Recipe(
    name="tools-starter",
    seed=SEED,
    special=[PAD, END, "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"],
    words=WORDS,
    template=CHAT_TEMPLATE,
    shape={
        "hidden_size": 80,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 20,
        "max_position_embeddings": 512,
        "vocab_size": 640,
    },
    longest_answer=64,
    training={"iterations": 800, "batch_size": 20},
    optimizer={
        "learning_rate": 4e-3,
        "schedule": "cosine",
        "warmup_steps": 100,
        "final_fraction": 0.02,
        "weight_decay": 0.01,
        "beta2": 0.98,
    },
    bfloat16=True,
)


def shop() -> dict[str, Any]:
    """What the bundled file of tools defines, by name."""
    return run_path(str(tools_starter_dir() / "shop.py"))


def shop_tools() -> list[dict[str, Any]]:
    """The tools as the application describes them to a model."""
    return [tool_schema(shop()[name]) for name in ("price", "multiply")]


def refused_by(tools: list[dict[str, Any]]) -> Callable[[str], str]:
    """What a turn with a call that cannot be used is answered, by the application itself."""

    def answer(text: str) -> str:
        (found,) = HERMES.read(text, tools).found
        record = refusal(found, tools)
        assert record is not None, text
        return record.result

    return answer


def spoken(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What the tokenizer learns its words from: the turns, and now and then what the template says of the tools."""
    for number, row in enumerate(rows):
        yield from (turn["content"] for turn in row["messages"])
        if number % 10 == 0:
            yield from (f"Tools:\n{tool['function']['description']}" for tool in row["tools"])
            yield "price(item) multiply(a, b) "


def write_shop_data(folder: Path) -> None:
    """`train.jsonl` of errands that the starter saw, `valid.jsonl` of those that nobody trains on."""
    prices = shop()["_CENTS"]
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "train.jsonl", shop_rows(TRAIN_ROWS, prices, seed=SEED + 1))
    write_rows(folder / "valid.jsonl", shop_rows(VALID_ROWS, prices, seed=SEED + 2, held_out=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the starter for tools and write its data.")
    parser.add_argument("--out", type=Path, default=tools_starter_dir())
    parser.add_argument("--data-only", action="store_true", help="write the data, keep the model")
    chosen = parser.parse_args()
    write_shop_data(chosen.out / "data")
    if not chosen.data_only:
        tools = shop_tools()
        rows = dialogues(CORPUS_ROWS, tools, refused_by(tools), seed=SEED)
        make_model(RECIPE, rows, spoken(rows), chosen.out)


if __name__ == "__main__":
    main()
