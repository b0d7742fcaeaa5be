"""How a starter is made from rows: tokenizer, configuration, weights trained by this project's own engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from droid_tune.config import RunConfig
from droid_tune.control import Control
from droid_tune.events import Event
from droid_tune.runs.folder import create_run, read_config
from droid_tune.train.engine import run_training

HELD_OUT_ROWS = 256
PAD, END = "<|pad|>", "<|end|>"


@dataclass(frozen=True)
class Recipe:
    """What a starter is. `special` begins with PAD and END; `words` is how text is split before its pieces are merged.

    `shape` are the settings of the Llama that differ from starter to starter; `bfloat16` keeps eight bits of each weight's
    fraction: the file stays float32, in which CPUs compute, and packs to half.
    """

    name: str
    seed: int
    special: Sequence[str]
    words: str
    template: str
    shape: Mapping[str, Any]
    longest_answer: int
    training: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    bfloat16: bool = False

    @property
    def config(self) -> dict[str, Any]:
        """The model's config.json."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            **self.shape,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "attention_bias": False,
            "mlp_bias": False,
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "pad_token_id": self.special.index(PAD),
            "eos_token_id": self.special.index(END),
        }

    @property
    def tokenizer_config(self) -> dict[str, Any]:
        """The tokenizer's settings, the chat template among them."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": PAD,
            "model_max_length": self.shape["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
            "chat_template": self.template,
        }


def make_model(recipe: Recipe, rows: list[dict[str, Any]], texts: Iterable[str], folder: Path) -> None:
    """Tokenizer, configuration and trained weights, as `mlx_lm.load` expects them."""
    with TemporaryDirectory() as temporary:
        workshop = Path(temporary)
        write_corpus(workshop / "data", rows)
        write_untrained(recipe, workshop / "model", make_tokenizer(recipe, texts))
        weights = mx.load(str(train(recipe, workshop)))
        mx.eval(weights)
        save_weights(recipe, weights, workshop / "model")
        shutil.copytree(workshop / "model", folder, dirs_exist_ok=True)


def write_corpus(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    write_rows(folder / "train.jsonl", rows[HELD_OUT_ROWS:])
    write_rows(folder / "valid.jsonl", rows[:HELD_OUT_ROWS])


def write_untrained(recipe: Recipe, folder: Path, tokenizer: Tokenizer) -> None:
    """A model folder with MLX's own random initial weights."""
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", recipe.tokenizer_config)
    write_json(folder / "config.json", recipe.config)
    generation = {key: recipe.config[key] for key in ("eos_token_id", "pad_token_id")}
    write_json(folder / "generation_config.json", {**generation, "max_new_tokens": recipe.longest_answer})
    mx.random.seed(recipe.seed)
    weights = dict(tree_flatten(Model(ModelArgs.from_dict(recipe.config)).parameters()))
    save_weights(recipe, weights, folder)


def save_weights(recipe: Recipe, weights: Any, folder: Path) -> None:
    if recipe.bfloat16:
        weights = {name: one.astype(mx.bfloat16).astype(mx.float32) for name, one in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})


def make_tokenizer(recipe: Recipe, texts: Iterable[str]) -> Tokenizer:
    """Byte-level BPE over the corpus: any text encodes, and every word of the corpus is one token."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(recipe.words), "isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.shape["vocab_size"],
        special_tokens=list(recipe.special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def train(recipe: Recipe, workshop: Path) -> Path:
    """Supervised fine-tuning of all weights by the engine itself; returns the file that holds them."""
    run = create_run(training_config(recipe, workshop), workshop / "run")
    finished = run_training(read_config(run), run, Control(), tell)
    if finished.outcome != "completed":
        raise SystemExit(f"The starter was not trained: {finished.why}")
    return run / "adapters.safetensors"


def training_config(recipe: Recipe, workshop: Path) -> RunConfig:
    longest = recipe.shape["max_position_embeddings"]
    return RunConfig.model_validate(
        {
            "name": recipe.name,
            "method": "sft",
            "model": {"path": str(workshop / "model")},
            "data": {"path": str(workshop / "data")},
            "adapter": {"type": "full"},
            "training": {**recipe.training, "seed": recipe.seed, "max_seq_length": longest},
            "optimizer": dict(recipe.optimizer),
            "evaluation": {"steps_per_eval": 250, "rows": HELD_OUT_ROWS},
            "checkpoint": {"save_every": 1000, "keep": 1},
        }
    )


def tell(event: Event) -> None:
    """The held-out loss as it falls."""
    if event.type == "evaluation":
        print(f"step {event.step}: held-out loss {event.metrics['eval/loss']:.4f}", flush=True)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
