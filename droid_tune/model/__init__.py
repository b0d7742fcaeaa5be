"""The model: loading, adapters, scoring, the reference, and the plan that fits them into memory (floor 3).

Importing mlx_lm lowers the process's limit of open files, its hard limit included, which no later call can raise
again. It is imported here first, with that one call turned off.
"""

import importlib
import resource

from droid_tune.model_files.tokenizer import import_transformers


def _leave_limit(_resource: int, _limits: tuple[int, int]) -> None:
    """In place of `resource.setrlimit` while mlx_lm is imported."""


import_transformers()  # which mlx_lm reads by `from ... import`
_set_limit = resource.setrlimit
resource.setrlimit = _leave_limit
try:
    importlib.import_module("mlx_lm.utils")
finally:
    resource.setrlimit = _set_limit
