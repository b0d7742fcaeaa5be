"""Whether a run's rows can be used, and whether what is held out was not learnt: known before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.dataset import Dataset, open_configured
from droid_tune.data.editing.changes import prompt_key
from droid_tune.data.formats.base import Row
from droid_tune.data.lens import Lens, room_of
from droid_tune.estimate.finding import Finding, Remedy
from droid_tune.estimate.lengths import quick_lens
from droid_tune.model_files.hub import local_model
from droid_tune.model_files.read_facts import read_model

#: a longest sequence is proposed in steps of so many tokens
STEP = 64
#: with more training rows than these their prompts are not compared with the held-out ones
MOST_COMPARED = 200_000


NO_ROW_READ = "No row of this data can be used as it is."
NOTHING_HELD_OUT = (
    "No row is held out: nothing will tell whether the model answers what it was not trained on."
)
HOLD_OUT_REMEDY = "Hold some out (Data, Tools, Hold Out Rows), or add valid.jsonl."
LEAK_REMEDY = "Take them out of the training data (Data, Tools, Remove Leakage)."


def leak_sentence(leaked: int, held_out: int) -> str:
    """`Of 200 held-out prompts 165 are training prompts as well: the held-out accuracy is partly memory.`"""
    of = f"Of {words.count(held_out, 'held-out prompt')} {leaked:,}"
    also = "is a training prompt" if leaked == 1 else "are training prompts"
    return f"{of} {also} as well: the held-out accuracy is partly memory."


@dataclass(frozen=True)
class DataReadiness:
    """Of `looked_at` training rows `too_long` have no room within `free` tokens; the longest has `longest` tokens.

    Of `held_out` prompts `leaked` stand in the training rows as well. `room` is kept free for the answer; `context` is
    what the model can read at most, where that is known. `fault` says why no row can be read at all.
    """

    looked_at: int
    too_long: int
    free: int
    room: int = 0
    longest: int = 0
    held_out: int = 0
    leaked: int = 0
    context: int | None = None
    fault: str = ""

    @property
    def none_fits(self) -> bool:
        """Whether no row can be trained on."""
        return bool(self.fault) or (self.looked_at > 0 and self.too_long == self.looked_at)

    def findings(self) -> Iterator[Finding]:
        """What a person should know before the run; nothing where all is well."""
        if self.fault:
            yield Finding("error", NO_ROW_READ, (Remedy(self.fault),))
        if self.too_long:
            yield self._about_length()
        if self.looked_at and not self.held_out:
            yield Finding("info", NOTHING_HELD_OUT, (Remedy(HOLD_OUT_REMEDY, tool="split"),))
        if self.leaked:
            yield Finding(
                "warning", leak_sentence(self.leaked, self.held_out), (Remedy(LEAK_REMEDY, tool="overlap"),)
            )

    def _about_length(self) -> Finding:
        room = f" with {words.count(self.room, 'token')} for the answer" if self.room else ""
        remedy = self._room_made()
        if self.none_fits:
            said = f"No row fits: all of {self.looked_at:,} are longer than the {self.free:,} tokens that are free{room}."
            return Finding("error", said, (remedy,))
        said = f"{self.too_long:,} of {words.count(self.looked_at, 'row')} are too long and left out"
        return Finding(
            "warning", f"{said}: {words.count(max(self.free, 0), 'token')} are free{room}.", (remedy,)
        )

    def _room_made(self) -> Remedy:
        """A setting that lets the longest row in, as far as the model's own context goes."""
        needed = self.longest + self.room
        if self.context is None or needed <= self.context:
            fitting = -(-needed // STEP) * STEP
            fitting = min(fitting, self.context or fitting)
            return Remedy(f"Raise the longest sequence to {fitting:,}", {"training.max_seq_length": fitting})
        return Remedy(f"Use shorter rows: this model reads at most {words.count(self.context, 'token')}.")


def data_readiness(config: RunConfig, watch: Watch = UNWATCHED) -> DataReadiness | None:
    """Open a run's data and look, quickly (see `QuickLens`); None where the model's tokenizer is not at hand.

    Raises `UserError` and `Stopped`.
    """
    folder = local_model(config.model.path, config.model.revision)
    lens = quick_lens(config)
    if folder is None or lens is None:
        return None
    dataset = open_configured(config.data, config.method.type, watch)
    return readiness_of(dataset, lens, room_of(config), read_model(folder).context, watch)


def readiness_of(
    dataset: Dataset, lens: Lens, room: int, context: int | None, watch: Watch = UNWATCHED
) -> DataReadiness:
    """Measure a sample of the training rows as training would, and compare all prompts with the held-out ones."""
    lengths = [one.longest for one in lens.sample(dataset.train, watch)]
    free = max(lengths, default=0) if lens.limit is None else lens.limit
    return DataReadiness(
        looked_at=len(lengths),
        too_long=sum(length > free for length in lengths),
        free=free,
        room=room,
        longest=max(lengths, default=0),
        held_out=len(dataset.valid),
        leaked=leaked_prompts(dataset.train, dataset.valid, watch),
        context=context,
    )


def leaked_prompts(train: Sequence[Row], held_out: Sequence[Row], watch: Watch = UNWATCHED) -> int:
    """How many held-out rows have a prompt that is among the training rows' as well; 0 where there are too many."""
    if not len(held_out) or len(train) > MOST_COMPARED:
        return 0
    asked = [prompt_key(held_out[number]) for number in range(len(held_out))]
    wanted, found = set(asked), set[str]()
    for number in range(len(train)):  # by number: some sequences of rows have no end of their own
        if number % 1000 == 0:
            watch.pause_point()
        if (key := prompt_key(train[number])) in wanted:
            found.add(key)
    return sum(key in found for key in asked)
