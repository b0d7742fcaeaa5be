"""What of the draft says which data is looked at, how long it may be, and where changed copies of it go."""

from __future__ import annotations

from pathlib import Path

from droid_tune.data.formats.table import need_of
from droid_tune.data.reading.hub_dataset import HUB_PREFIX
from droid_tune.paths import BUNDLED_DATA
from ui.draft import Draft
from ui.panes.data.data_reader import Source
from ui.panes.data.statistics.statistics_view import Lengthy


def source_of(draft: Draft) -> Source:
    """The draft's data, for its method."""
    return Source(draft.data, draft.method, draft.value("data.mapping"), draft.value("data.files"))


def limits_of(draft: Draft) -> Lengthy:
    """How many tokens rows and completions may have."""
    rollouts = need_of(draft.method) == "prompt"
    sequence = draft.value("training.max_seq_length")
    completion = draft.value("sampling.max_completion_length")
    # A field that holds no number yet is said by the Setup pane.
    numbers = isinstance(sequence, int) and isinstance(completion, int)
    return Lengthy(sequence, completion, rollouts) if numbers else Lengthy(2048, 256, rollouts)


def beside(source: Source) -> Path:
    """What new folders are named after: the data's own place, or the user's folder."""
    if source.path in BUNDLED_DATA:
        return Path.home() / f"{source.path}-data"
    if source.path.startswith(HUB_PREFIX):
        return Path.home() / source.path.rpartition("/")[2].partition(":")[0]
    folder = source.folder
    return folder if folder.is_dir() else folder.with_name(folder.name.partition(".")[0])
