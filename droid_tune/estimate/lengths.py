"""The lengths that an estimate goes by: of a sample of the run's rows, as the run renders them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from itertools import islice
from statistics import median

from droid_tune.config import RunConfig
from droid_tune.data.dataset import Dataset, Rows, open_configured
from droid_tune.data.formats.base import Row
from droid_tune.data.lens import Lens, Longest, QuickLens, RowLength
from droid_tune.errors import UserError
from droid_tune.estimate.job import ASSUMED_ANSWER, DataLengths
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.read_facts import read_model
from droid_tune.model_files.tokenizer import declares_chat_template, load_fast_tokenizer, load_tokenizer

#: tokens that a chat template puts around a prompt, where it is not rendered
FRAME_TOKENS = 16
#: so many of the largest rows are measured besides the sample, and so many looked at for them where the largest do not fit
LARGEST, LOOKED_AT = 16, 400


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


def lengths_in(
    train: Sequence[Row], held_out_rows: int, lens: Lens, longest: Longest | None = None
) -> DataLengths | None:
    """Median and longest of the rows that fit, in tokens of one sequence; None where no row does.

    `longest` of all rows, where that is known; else it is that of a sample and of the rows with the most bytes.
    """
    sample = lens.sample_that_fits(train)
    if not sample:
        return None
    sequences = [one for row in sample for one in row.sequences]
    most = longest or reduce(Longest.beside, (*sample, *_largest(train, lens)), Longest())
    answered = lens.imitated
    return DataLengths(
        int(median(one.read for one in sequences)),
        most.read,
        int(median(one.learnt for one in sequences)) if answered else ASSUMED_ANSWER,
        most.learnt if answered else ASSUMED_ANSWER,
        len(train),
        held_out_rows,
        most.tokens if answered else None,
    )


def _largest(train: Sequence[Row], lens: Lens) -> Iterator[RowLength]:
    """The rows with the most bytes among those that fit: one of a thousand may be ten times as long as all others."""
    fitting = 0
    for place in islice(train.largest_first(), LOOKED_AT) if isinstance(train, Rows) else ():
        with suppress(UserError):
            measured = lens.measure(train[place])
            if lens.fits(measured):
                yield measured
                fitting += 1
        if fitting == LARGEST:
            return
