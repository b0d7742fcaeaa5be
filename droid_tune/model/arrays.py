"""Small views of MLX modules and arrays, with the types that MLX's own stubs leave open."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt
from mlx.utils import tree_flatten

from droid_tune.errors import DiskError, refused_by_system

#: modules that turn token ids into vectors
EMBEDDING = (nn.Embedding, nn.QuantizedEmbedding)
Indices = npt.NDArray[np.int64]
#: what hangs in a model and is trained beside the adapter: a head of rewards, a critic (model/heads)
HEAD, CRITIC = "score", "critic"
APART = (f"{HEAD}.", f"{CRITIC}.")


def flat_arrays(tree: Any) -> dict[str, mx.array]:
    """The arrays of a parameter tree by dotted name, in a fixed order."""
    return dict(cast("list[tuple[str, mx.array]]", tree_flatten(tree)))


def write_arrays(file: Path, arrays: Mapping[str, mx.array]) -> None:
    """A safetensors file whose bytes depend on names and values alone; raises RuntimeError where it cannot be written.

    MLX places the tensors in the order of an unordered map, which follows the order in which they were put in.
    """
    mx.save_safetensors(str(file), dict(sorted(arrays.items())), metadata={"format": "mlx"})


#: how MLX tells of a file that the disk does not give, where it reads it itself and where Python does
_NOT_READ = re.compile(r"^(?:\[read\] |OSError: (?:\[Errno [0-9]+\] )?)(.+)$", re.MULTILINE)


@contextmanager
def reading_weights(place: Path) -> Generator[None]:
    """Inside, what MLX raises over weights that the disk does not give is one `DiskError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not (why := _why_not_read(error)):
            raise
        raise DiskError(
            f"the weights cannot be read ({why})",
            place=str(place),
            remedy="see that the disk is there and sound, and try again",
        ) from error


def _why_not_read(error: OSError | RuntimeError) -> str:
    """What the system said; empty where something else is the matter."""
    if isinstance(error, OSError):
        return error.strerror or str(error) if refused_by_system(error) else ""
    found = _NOT_READ.search(str(error))
    return "" if found is None else found[1].strip().rstrip(".")


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The model's layers, first to last."""
    return list(cast("Any", model).layers)


def embedding_rows(model: nn.Module) -> int | None:
    """The rows of a model's largest table of embeddings, which is that of its tokens; None where it has none."""
    sizes = [module.weight.shape[0] for _, module in model.named_modules() if isinstance(module, EMBEDDING)]
    return max(sizes, default=None)


def number(array: mx.array) -> float:
    """A scalar array's value."""
    return float(cast("float", array.item()))


def host_view(array: mx.array) -> npt.NDArray[Any]:
    """The memory of an evaluated array, shared with NumPy: writing to it writes to the array."""
    return np.asarray(memoryview(cast("Any", array)))


def close(found: mx.array, expected: mx.array) -> bool:
    """Whether two results agree as well as their number format can."""
    if found.shape != expected.shape:
        return False
    tolerance = 2e-4 if found.dtype == mx.float32 else 6e-2
    wide, reference = found.astype(mx.float32), expected.astype(mx.float32)
    error = number(mx.abs(wide - reference).max())
    return error <= tolerance * number(mx.abs(reference).max() + 1e-6)
