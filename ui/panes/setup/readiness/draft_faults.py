"""What keeps a draft from being trained, by the setting that it is said at."""

from __future__ import annotations

from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.model_files.found import describe
from ui.draft import Draft
from ui.form.starting_runs import misfit
from ui.panes.setup.readiness.reward_readiness import missing_files


def faults_of(draft: Draft) -> dict[str, str]:
    """Sentences by path: those of the values, and of the model and the run that they name on this computer."""
    missing = missing_files(draft.rewards) if METHOD_CONFIGS[draft.method].samples else {}
    faults = {**missing, **draft.faults()}
    unusable = describe(draft.model).fault
    if unusable:
        return {"model.path": unusable, **faults}
    if start := str(draft.value("model.start_from")):
        unfit = misfit(start, draft.model)
        return {**({"model.start_from": unfit} if unfit else {}), **faults}
    return faults
