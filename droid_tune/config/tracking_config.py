"""Where a run's curves go besides its own folder."""

from __future__ import annotations

from droid_tune.config.base import Closed, setting


class TrackingConfig(Closed):
    """Other programs that show the curves, as the run goes."""

    tensorboard: bool = setting(False, "TensorBoard", advanced=True)
    """Event files in the run's folder `tensorboard`; needs the package tensorboardX."""
    wandb: bool = setting(False, "Weights & Biases", advanced=True)
    """An offline run in the run's folder `wandb`, which `wandb sync` sends; needs the package wandb."""
    trackio: bool = setting(False, "Trackio", advanced=True)
    """A run that `trackio show` draws on this computer; needs the package trackio."""
    project: str = setting("droid-tune", "Project", advanced=True, min_length=1, max_length=100)
    """Under which name Weights & Biases and Trackio file the run."""
