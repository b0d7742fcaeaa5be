"""The lengths that an estimate goes by: of a sample of the run's rows, as the run renders them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from droid_tune.config import RunConfig
from droid_tune.data.dataset import Dataset, open_configured
from droid_tune.data.formats.base import Row
from droid_tune.data.lens import Lens, QuickLens
from droid_tune.errors import UserError
from droid_tune.estimate.job import ASSUMED_ANSWER, DataLengths
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.read_facts import read_model
from droid_tune.model_files.tokenizer import declares_chat_template, load_fast_tokenizer, load_tokenizer

#: tokens that a chat template puts around a prompt, where it is not rendered
FRAME_TOKENS = 16


def measure_data(config: RunConfig, *, quick: bool = False) -> DataLengths | None:
    """Open the run's data and measure it; None where the tokenizer is not at hand. Raises UserError for bad data.

    `quick`: without the model's template, see `QuickLens`.
    """
    return measure(open_configured(config.data, config.method.type), config, quick=quick)


def measure(dataset: Dataset, config: RunConfig, *, quick: bool = False) -> DataLengths | None:
    """Lengths of `dataset`'s training rows in the tokens of the run's model; None where they cannot be known."""
    lens = quick_lens(config) if quick else lens_of(config)
    return None if lens is None else lengths_in(dataset.train, len(dataset.valid), lens)


def lens_of(config: RunConfig) -> Lens | None:
    """How a run will look at its rows, without its model in memory; None where the tokenizer is not at hand."""
    folder = local_model(config.model.path, config.model.revision)
    if folder is None:
        return None
    try:
        return Lens.of(config, load_tokenizer(folder), read_model(folder).context)
    except UserError:
        return None


def quick_lens(config: RunConfig) -> Lens | None:
    """The same without the template and without transformers, for a window."""
    folder = local_model(config.model.path, config.model.revision)
    tokenizer = None if folder is None else load_fast_tokenizer(folder)
    if folder is None or tokenizer is None:
        return None
    lens = QuickLens.of(config, tokenizer, read_model(folder).context)
    return replace(lens, frame=FRAME_TOKENS if declares_chat_template(folder) else 0)


def lengths_in(train: Sequence[Row], held_out_rows: int, lens: Lens) -> DataLengths | None:
    """Median and longest of the rows that fit, in tokens of one sequence; None where no row does."""
    sequences = [one for row in lens.sample_that_fits(train) for one in row.sequences]
    if not sequences:
        return None
    read = [one.read for one in sequences]
    learnt = [one.learnt for one in sequences] if lens.imitated else [ASSUMED_ANSWER]
    return DataLengths(
        int(median(read)), max(read), int(median(learnt)), max(learnt), len(train), held_out_rows
    )
