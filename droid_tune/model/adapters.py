"""What is trained: LoRA and DoRA by mlx-lm's own layers, or every weight.

The layers are mlx-lm's, so that what is saved is what `mlx_lm.generate --adapter-path` and `mlx_lm.fuse` read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
from mlx_lm.tuner.utils import linear_to_lora_layers

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.target_modules import fits
from droid_tune.errors import UserError
from droid_tune.model.arrays import EMBEDDING, layers_of

LINEAR = (nn.Linear, nn.QuantizedLinear)
SWITCH = (SwitchLinear, QuantizedSwitchLinear)
#: what an adapter adds to a layer
ADAPTER_PARTS = ("lora_a", "lora_b", "m")
#: DoRA in mlx-lm reads the input size as `columns * (32 // bits)`, which is right for these only
DORA_BITS = (2, 4, 8)


def target_modules(model: nn.Module) -> list[str]:
    """The names that `target_modules` patterns choose from: inside a layer relative to it, others in full."""
    inside = {
        name for layer in layers_of(model) for name, module in layer.named_modules() if _adaptable(module)
    }
    outside = {
        name
        for name, module in model.named_modules()
        if _adaptable(module) and ".layers." not in f".{name}" and name not in inside
    }
    return sorted(inside) + sorted(outside)


def _adaptable(module: nn.Module) -> bool:
    return hasattr(module, "to_lora") or isinstance(module, (*LINEAR, *SWITCH, *EMBEDDING))


def apply_adapter(model: nn.Module, config: AdapterConfig, *, seed: int) -> tuple[str, ...]:
    """Freeze `model` and make `config`'s part of it trainable; returns the names of the adapted modules."""
    keys = chosen_modules(model, config)
    model.freeze()
    if config.type == "full":
        _train_in_full(model, config, keys)
        return ()
    mx.random.seed(seed)
    layers = layer_count(model, config)
    settings = {"rank": config.rank, "scale": config.scale, "dropout": config.dropout, "keys": set(keys)}
    linear_to_lora_layers(model, layers, settings, use_dora=config.type == "dora")
    mx.eval(model.trainable_parameters())
    model.eval()
    return tuple(name for name, module in model.named_modules() if is_adapter(module))


def layer_count(model: nn.Module, config: AdapterConfig) -> int:
    """How many of the last layers are trained."""
    total = len(layers_of(model))
    return total if config.layers < 0 else min(config.layers, total)


def chosen_modules(model: nn.Module, config: AdapterConfig) -> list[str]:
    """The module names that `config` selects; a pattern that selects nothing is refused by name."""
    names = target_modules(model)
    if config.target_modules:
        chosen = _matching(names, config.target_modules)
    else:
        inside = {name for layer in layers_of(model) for name, _ in layer.named_modules()}
        chosen = [name for name in names if name in inside]
        if config.type == "dora":
            chosen = [name for name in chosen if _refusal_for_dora(model, name) is None]
    if config.type == "dora":
        for name in chosen:
            if (reason := _refusal_for_dora(model, name)) is not None:
                raise UserError(
                    f"DoRA cannot train {reason}",
                    value=name,
                    place="adapter.target_modules",
                    remedy="use LoRA",
                )
    return chosen


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fits(name, pattern) for name in names):
            raise UserError(
                "no module of this model fits the pattern",
                value=pattern,
                place="adapter.target_modules",
                remedy="its modules are " + ", ".join(names),
            )
    return [name for name in names if any(fits(name, pattern) for pattern in patterns)]


def _refusal_for_dora(model: nn.Module, name: str) -> str | None:
    for module in _named(model, name):
        if isinstance(module, SWITCH):
            return "mixture-of-experts layers"
        if isinstance(module, nn.QuantizedEmbedding):
            return "quantised embeddings"
        if isinstance(module, nn.QuantizedLinear) and module.bits not in DORA_BITS:
            return f"{module.bits}-bit weights"
    return None


def _named(model: nn.Module, name: str) -> Iterator[nn.Module]:
    for owner in (*layers_of(model), model):
        yield from (module for found, module in owner.named_modules() if found == name)


def _train_in_full(model: nn.Module, config: AdapterConfig, keys: Sequence[str]) -> None:
    for name, module in model.named_modules():
        if hasattr(module, "bits") and hasattr(module, "scales"):
            raise UserError(
                "quantised weights cannot be trained in full",
                value=name,
                place="adapter.type",
                remedy="use LoRA or DoRA, or choose the model in bfloat16",
            )
    owners: list[nn.Module] = [model] if config.layers < 0 else layers_of(model)[-config.layers :]
    for owner in owners:
        if not config.target_modules:
            owner.unfreeze()
            continue
        for name, module in owner.named_modules():
            if any(name == key or name.endswith(f".{key}") for key in keys):
                module.unfreeze()


def is_adapter(module: Any) -> bool:
    """Whether a module is a base layer with an adapter around it."""
    return isinstance(module, nn.Module) and "lora_a" in module and base_of(module) is not None


def base_of(adapter: nn.Module) -> nn.Module | None:
    """The layer that an adapter wraps."""
    return adapter.get("linear") or adapter.get("embedding")


@contextmanager
def adapter_off(model: nn.Module, adapted: Sequence[str]) -> Generator[None]:
    """Inside, `model` is the base model: every adapter is bypassed, no weight is copied."""
    with _standing_in(model, adapted, base_of):
        yield


@contextmanager
def adapter_merged(model: nn.Module, adapted: Sequence[str]) -> Generator[None]:
    """Inside, every adapter of float32 weights is one matrix with them, a copy; nothing is trained meanwhile.

    Narrower weights cannot hold what an adapter adds, so theirs stay beside them.
    """
    with _standing_in(model, adapted, _merged):
        yield


def _merged(adapter: nn.Module) -> nn.Module:
    base = base_of(adapter)
    if base is None or "weight" not in base or base["weight"].dtype != mx.float32:
        return adapter
    merged = cast("Any", adapter).fuse()
    # The new layer drew first weights that nobody looks at: MLX's dice would keep every draw of the run until somebody does.
    mx.eval(merged.parameters(), mx.random.state)
    return merged


def adapter_beside(
    model: nn.Module,
    adapted: Sequence[str],
    config: AdapterConfig,
    arrays: Mapping[str, mx.array],
    *,
    place: str,
) -> dict[str, nn.Module]:
    """Another adapter's layers around the same base, by name, with their `arrays`; the model keeps the adapter that it has.

    Raises UserError where the arrays are not those of such an adapter.
    """
    with adapter_off(model, adapted):
        settings: dict[str, Any] = {"rank": config.rank, "scale": config.scale, "dropout": 0.0}
        settings["keys"] = set(chosen_modules(model, config))
        linear_to_lora_layers(model, layer_count(model, config), settings, use_dora=config.type == "dora")
        made = {name: module for name, module in model.named_modules() if is_adapter(module)}
        for name, module in made.items():
            owner, key = _place(model, name)
            owner[key] = base_of(module)
    known = {
        f"{name}.{part}": (module, part)
        for name, module in made.items()
        for part in ADAPTER_PARTS
        if part in module
    }
    fits_in = known.keys() == arrays.keys() and all(
        module[part].shape == arrays[name].shape for name, (module, part) in known.items()
    )
    if not fits_in:
        raise UserError("the adapter does not fit the model", place=place, remedy="name its own base model")
    for name, (module, part) in known.items():
        module[part] = arrays[name]
    return made


@contextmanager
def adapters_exchanged(
    model: nn.Module, adapted: Sequence[str], others: Mapping[str, nn.Module]
) -> Generator[None]:
    """Inside, the `others` (layers by name) stand where the model's own adapters stood, and the base elsewhere."""
    names = list(dict.fromkeys([*adapted, *others]))
    place = iter(names)
    with _standing_in(model, names, lambda module: others.get(next(place)) or base_of(module)):
        yield


@contextmanager
def _standing_in(
    model: nn.Module, adapted: Sequence[str], substitute: Callable[[nn.Module], nn.Module | None]
) -> Generator[None]:
    """Inside, each of the adapters stands aside for what `substitute` makes of it."""
    places = [_place(model, name) for name in adapted]
    adapters = [owner[key] for owner, key in places]
    for (owner, key), adapter in zip(places, adapters, strict=True):
        owner[key] = substitute(adapter)
    try:
        yield
    finally:
        for (owner, key), adapter in zip(places, adapters, strict=True):
            owner[key] = adapter


def _place(model: nn.Module, name: str) -> tuple[Any, Any]:
    """The container (module or list) that holds the module `name`, and its key there."""
    *path, last = name.split(".")
    owner: Any = model
    for part in path:
        owner = owner[int(part)] if isinstance(owner, list) else owner[part]
    return owner, int(last) if isinstance(owner, list) else last
