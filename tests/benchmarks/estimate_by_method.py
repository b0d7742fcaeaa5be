"""How near the estimate comes, method by method, in the real `droid-tune train`: the largest peak of three steps.

usage: estimate_by_method.py [--model FOLDER] [--only WORD ...]

The rows are all alike, so that the longest is among the first; a reward tells completions of random models apart, so that
every step learns. Each case is a process of its own with a home of its own: no earlier run corrects what is told.
Without a model a random Llama is made (6 layers of 256, 8,192 tokens) with the starter's tokenizer. OpenBLAS
(CONTRIBUTING.md) makes it several times faster. Accepted: -10 % ... +25 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

import mlx.core as mx  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402
from mlx_lm.models.llama import Model, ModelArgs  # noqa: E402

from droid_tune.cli import main as droid_tune  # noqa: E402

LEAST, MOST = -0.10, 0.25
SHAPE: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_hidden_layers": 6,
    "intermediate_size": 704,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-5,
    "vocab_size": 8192,
    "rope_theta": 10000.0,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}
REWARD = "import zlib\ndef judge(completion, row):\n    return zlib.crc32(completion.encode()) % 97 / 97\n"
TEXT = " ".join(f"Ben had {number} books and gave {number - 9} to Mia." for number in range(20, 30))


def cases(teacher: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, method and settings."""
    full, several = "adapter.type=full", "training.batch_size=4"
    for method in ("sft", "dpo", "kto", "bco", "orpo", "cpo", "simpo", "reward"):
        yield method, method, ["training.batch_size=8"]
    for name, changes in (
        ("sft whole weights", [full]),
        ("sft dora", ["adapter.type=dora"]),
        ("sft rank 128", ["adapter.rank=128"]),
        ("sft layer by layer", ["memory.backward=layerwise"]),
        ("sft adafactor", [full, "optimizer.name=adafactor"]),
        ("sft muon", [full, "optimizer.name=muon"]),
        ("sft 64 rows", ["training.batch_size=64"]),
    ):
        yield name, "sft", ["training.batch_size=8", *changes]
    for method in ("grpo", "ppo", "online_dpo", "xpo", "nash_md", "self_distillation", "sdft", "sdpo"):
        yield method, method, [several]
        yield f"{method} whole weights", method, [several, full]
    for bits in (4, 8):
        yield f"grpo {bits}-bit caches", "grpo", [several, f"sampling.kv_cache={bits}bit"]
    for mode in ("full_logits", "topk_logits"):
        yield (
            f"gkd {mode}",
            "gkd",
            [several, f"method.teachers=[{teacher}]", f"method.distillation_mode={mode}"],
        )


def write_data(folder: Path) -> None:
    """One split for each kind of method, 200 rows of the same length."""
    for kind in ("sampled", "sft", "pairs", "verdicts"):
        (folder / kind).mkdir()
        rows = [json.dumps(row(kind, number)) for number in range(200)]
        (folder / kind / "train.jsonl").write_text("\n".join(rows))


def row(kind: str, number: int) -> dict[str, Any]:
    """A row of `kind`, told from the others by three digits."""
    told = " ".join(f"{number:03d}")
    asked, answer = f"{TEXT} {told}", f"{TEXT} {told}"
    match kind:
        case "sampled":
            return {"prompt": asked, "answer": "7"}
        case "pairs":
            return {"prompt": asked, "chosen": answer, "rejected": f"{TEXT} {told[::-1]}"}
        case "verdicts":
            return {"prompt": asked, "completion": answer, "label": bool(number % 2)}
        case _:
            return {"prompt": asked, "completion": answer}


def kind_of(method: str) -> str:
    """Which data a method reads."""
    known = {"sft": "sft", "kto": "verdicts", "bco": "verdicts"}
    return known.get(method, "pairs" if method in ("dpo", "orpo", "cpo", "simpo", "reward") else "sampled")


def make_model(folder: Path) -> None:
    """A random model that reads as the starter does."""
    folder.mkdir()
    starter = ROOT / "resources" / "starter"
    for name in ("tokenizer.json", "generation_config.json"):
        shutil.copy(starter / name, folder)
    settings = json.loads((starter / "tokenizer_config.json").read_text()) | {"model_max_length": 1024}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({**SHAPE, "eos_token_id": 1, "pad_token_id": 0}))
    model = Model(ModelArgs.from_dict(SHAPE))
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())))


def run(arguments: list[str], home: Path, out: Path) -> None:
    """In the child: a command of droid-tune, what it says in `out`."""
    os.environ["DROID_TUNE_HOME"] = str(home)
    with out.open("w") as stream, redirect_stdout(stream), redirect_stderr(stream):
        droid_tune(arguments)


def in_a_process(target: Any, *arguments: Any) -> None:
    child = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    child.start()
    child.join()


def measured(place: Path, model: str, method: str, settings: list[str]) -> tuple[int, int]:
    """Bytes told before the run, and the largest peak of its steps; 0 where it failed."""
    every = ["iters=3", f"model.path={model}", "evaluation.rows=0", "training.max_seq_length=512"]
    if kind_of(method) == "sampled":
        reward = f"rewards=[{{type: user_file, path: {place / 'reward.py'}, function: judge}}]"
        every += ["sampling.max_completion_length=64", reward]
    arguments = ["train", "--events", "--method", method, "--data", str(place / kind_of(method))]
    arguments += [word for setting in (*every, *settings) for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "events"
        in_a_process(run, arguments, Path(home), out)
        events = [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]
    told = next((one["memory"]["estimated_peak_bytes"] for one in events if one["type"] == "run_started"), 0)
    peaks = [one["metrics"]["memory/peak_bytes"] for one in events if one["type"] == "step"]
    return told, int(max(peaks, default=0))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    outside = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_data(place)
        (place / "reward.py").write_text(REWARD)
        if not arguments.model:
            in_a_process(make_model, place / "model")
        model = arguments.model or str(place / "model")
        for name, method, settings in cases(model):
            if arguments.only and name not in arguments.only:
                continue
            told, seen = measured(place, model, method, settings)
            error = told / seen - 1 if seen else -1.0
            outside += not LEAST <= error <= MOST
            print(f"{error:+5.0%}  {told / 1e6:8.1f} MB told  {seen / 1e6:8.1f} MB seen  {name}", flush=True)
    return 1 if outside else 0


if __name__ == "__main__":
    raise SystemExit(main())
