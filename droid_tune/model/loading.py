"""From a folder or an id to a policy that is ready to sample and to train."""

from __future__ import annotations

import codecs
import glob
import logging
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model, load_tokenizer

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.rendering.templates.chat_template import ChatTemplate, unwrapped
from droid_tune.errors import UserError
from droid_tune.machine import garbage
from droid_tune.machine.scratch import scratch_folder
from droid_tune.model.adapters import apply_adapter
from droid_tune.model.arrays import embedding_rows, reading_weights
from droid_tune.model.checks.probe import inspect
from droid_tune.model.checks.rotary import wrong_base
from droid_tune.model.kernels.install import goes_token_by_token, install
from droid_tune.model.policy import Policy
from droid_tune.model_files.hub import resolve_model
from droid_tune.model_files.model_folder import check_model_folder
from droid_tune.model_files.rope import missing_keys, said_of
from droid_tune.model_files.tokenizer import ends_in_files, name_end, tokenizer_faults, unread_template

log = logging.getLogger(__name__)

#: bytes of weights that are read between two looks whether to stop: a quarter of a second from a slow disk
READ_AT_ONCE = 256 * 2**20


def load_policy(
    name: str | Path,
    adapter: AdapterConfig | None = None,
    *,
    revision: str = "",
    seed: int = 0,
    needs_chat_template: bool = False,
    watch: Watch = UNWATCHED,
) -> Policy:
    """Load `starter`, a model folder or a Hub id, with a fresh adapter whose first weights derive from `seed`.

    `watch` hears how many bytes were read, and ends it with `Stopped`.
    """
    path = resolve_model(str(name), revision, watch)
    config = check_model_folder(path)
    with odd_values(path):
        filled = missing_keys(config)
    tokenizer = load_model_tokenizer(path, needs_chat_template=needs_chat_template)
    garbage.libraries_are_read()
    with odd_values(path):
        with plain_path(path) as plain:
            model, read = _model(plain, path, filled)
            read_weights(model, watch, str(path))
        config |= filled
        if "quantization" in read:  # as the weights are now: mlx-lm repacks those of AWQ, GPTQ and others
            config |= dict.fromkeys(("quantization", "quantization_config"), read["quantization"])
        _check_vocabulary(model, tokenizer, path)
        _check_rotary_base(model, config, path)
        policy = make_policy(model, tokenizer, config, path, adapter, seed=seed)
    policy.notes = tuple(_notes(model, filled))
    return policy


@contextmanager
def odd_values(path: Path) -> Generator[None]:
    """Turn what mlx-lm's code and ours raise over values of an unheard-of kind in a model's JSON, and what MLX does over
    weights that the disk does not give, into one `UserError`."""
    try:
        with reading_weights(path):
            yield
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        log.info("the model in %s cannot be loaded", path, exc_info=True)
        raise model_not_loaded(error, path) from error


def _notes(model: nn.Module, filled: dict[str, Any]) -> Iterator[str]:
    """What the user should know of how the model was read and is computed."""
    if filled:
        yield f"config.json has the form of transformers 5; read as {said_of(filled)}."
    if goes_token_by_token(model):
        yield "Its recurrent layers are computed token by token: long rows take much time and memory."


def make_policy(
    model: nn.Module,
    tokenizer: Any,
    config: dict[str, Any],
    path: Path,
    adapter: AdapterConfig | None = None,
    *,
    seed: int = 0,
) -> Policy:
    """A policy of a model that is in memory already."""
    settings = adapter or AdapterConfig()
    model.eval()
    install(model)
    architecture = inspect(model)
    adapted = apply_adapter(model, settings, seed=seed)
    stops = stop_tokens(tokenizer, path)
    return Policy(model, tokenizer, config, path, settings, architecture, stops, adapted)


@contextmanager
def plain_path(path: Path) -> Generator[Path]:
    """The folder as the libraries can read it: its path without `[`, `*` and `?`, its JSON without byte order marks.

    mlx_lm looks for weights by a pattern made of the folder's name; none of them reads JSON that begins with a mark.
    """
    marked = {file.name for file in path.glob("*.json") if _is_marked(file)}
    if not marked and glob.escape(str(path)) == str(path):
        yield path
        return
    with scratch_folder() as folder:
        for file in path.iterdir():
            plain = folder / file.name
            if file.name in marked:
                plain.write_bytes(file.read_bytes().removeprefix(codecs.BOM_UTF8))
            else:
                plain.symlink_to(file.resolve())
        yield folder


def _is_marked(file: Path) -> bool:
    """Whether a file begins with UTF-8's byte order mark."""
    with file.open("rb") as stream:
        return stream.read(3) == codecs.BOM_UTF8


def _model(plain: Path, path: Path, filled: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """The model, its weights not read yet, and its config as mlx-lm understood it."""
    try:
        return load_model(plain, lazy=True, trust_remote_code=False, model_config=filled)
    except TypeError as error:
        if not (absent := re.findall(r"'(\w+)'", str(error).partition("missing")[2])):
            raise model_not_loaded(error, path) from error
        raise UserError(
            f"config.json has no `{'`, `'.join(absent)}`, which mlx-lm needs for this architecture",
            place=str(path / "config.json"),
            remedy="choose a version of the model made for MLX, for example from mlx-community",
        ) from error
    except (ValueError, KeyError) as error:
        raise model_not_loaded(error, path) from error


def read_weights(model: nn.Module, watch: Watch, place: str) -> None:
    """Read what `load_model` has only promised, some at a time, so that a stop is heard. Raises `Stopped`, and UserError for
    weights that are no numbers: with them the model says nothing, and the device would be taken to be at fault."""
    named = cast("list[tuple[str, mx.array]]", tree_flatten(model.parameters()))
    arrays = [array for _, array in named]
    total, done, start = sum(array.nbytes for array in arrays), 0, 0
    while start < len(arrays):
        watch.tell(done, total, "bytes")
        end, size = start, 0
        while end < len(arrays) and (size == 0 or size + arrays[end].nbytes <= READ_AT_ONCE):
            size += arrays[end].nbytes
            end += 1
        sums = [
            mx.isnan(array.sum()) for array in arrays[start:end] if mx.issubdtype(array.dtype, mx.floating)
        ]
        mx.eval(arrays[start:end], sums)
        if any(map(bool, sums)):  # a sum too large may be none, too
            _refuse_no_numbers(named[start:end], place)
        start, done = end, done + size


def _refuse_no_numbers(named: Iterable[tuple[str, mx.array]], place: str) -> None:
    for name, array in named:
        if mx.issubdtype(array.dtype, mx.floating) and mx.isnan(array).any().item():
            raise UserError(
                f"the weights of {name} are not all numbers", place=place, remedy="download the model again"
            )


def model_not_loaded(error: Exception, path: Path) -> UserError:
    """The sentence for what mlx-lm says of a folder that it cannot load."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UserError(
        f"the model cannot be loaded: {first}",
        place=str(path),
        remedy="its config.json and its weights may not belong together; download it again",
    )


def _check_vocabulary(model: nn.Module, tokenizer: Any, path: Path) -> None:
    """Refuse a tokenizer whose own vocabulary is larger than the embedding: what lies beyond it reads as anything.

    Tokens that were added may lie beyond it (Gemma 3 has one for pictures); texts do not hold them.
    """
    rows = embedding_rows(model)
    if rows and tokenizer.vocab_size > rows:
        raise UserError(
            f"The tokenizer has {tokenizer.vocab_size:,} tokens and the model's embedding only {rows:,}",
            place=str(path),
            remedy="its tokenizer and its weights do not belong together; download the model again",
        )


def _check_rotary_base(model: nn.Module, config: dict[str, Any], path: Path) -> None:
    if wrong := wrong_base(model, config):
        raise UserError(
            f"the model would read positions wrongly: {wrong}",
            place=str(path / "config.json"),
            remedy="choose a version of the model made for MLX, for example from mlx-community",
        )


#: warns on stderr of each text that is longer than the context; lengths are checked, and told, by us
logging.getLogger("transformers.tokenization_utils_base").setLevel(logging.ERROR)


def load_model_tokenizer(path: Path, *, needs_chat_template: bool = False) -> Any:
    """The tokenizer of a model folder as a run uses it, in mlx-lm's wrapper. Raises `UserError`."""
    with tokenizer_faults(path), plain_path(path) as plain:
        tokenizer = load_tokenizer(
            plain, {"trust_remote_code": False}, eos_token_ids=ends_in_files(path) or None
        )
        name_end(unwrapped(tokenizer), path)
    if not tokenizer.eos_token_ids:
        raise UserError(
            "the tokenizer has no end-of-sequence token, so no completion would ever end",
            place=str(path / "tokenizer_config.json"),
            remedy="set `eos_token` there, or choose an instruction-tuned version of the model",
        )
    if needs_chat_template:
        require_chat_template(tokenizer, path)
    if tokenizer.has_chat_template and (end := ChatTemplate.of(tokenizer).end_id) is not None:
        # What ends a turn ends a completion, also where the files name only the end of all text.
        tokenizer.add_eos_token(str(end))
    return tokenizer


def require_chat_template(tokenizer: Any, path: Path) -> None:
    """Messages can only be rendered by a chat template; say so before training instead of inventing one."""
    if not tokenizer.has_chat_template:
        raise UserError(
            "the data holds chat messages and this model has no chat template",
            place=str(path / "tokenizer_config.json"),
            remedy=unread_template(path)
            or "choose an instruct version of the model, or data with plain `prompt` texts",
        )


def stop_tokens(tokenizer: Any, path: Path, extra: Iterable[str] = ()) -> frozenset[int]:
    """Ids that end a completion: the tokenizer's eos, those in the files, and `extra` special tokens by name."""
    stops = {int(token) for token in tokenizer.eos_token_ids} | set(ends_in_files(path))
    return frozenset(stops | {token_id(tokenizer, name) for name in extra})


def token_id(tokenizer: Any, name: str) -> int:
    """The id of one token by its text."""
    found = tokenizer.convert_tokens_to_ids(name)
    if found is None or found == getattr(tokenizer, "unk_token_id", None):
        raise UserError("the tokenizer has no such token", value=name, place="sampling.extra_stop_tokens")
    return int(found)
