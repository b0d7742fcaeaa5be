"""Rewards tried for a window: in a process beside it, so that neither their code nor their weight is felt there."""
