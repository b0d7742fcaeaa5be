"""The model: loading, adapters, scoring, the reference, and the plan that fits them into memory (floor 3).

Importing mlx_lm lowers the process's limit of open files, its hard limit included, which no later call can raise
again. It is imported here first, with that one call turned off.
"""

import resource

_set_limit = resource.setrlimit
resource.setrlimit = lambda *_: None
try:
    import mlx_lm.utils as _mlx_lm_utils  # noqa: F401
finally:
    resource.setrlimit = _set_limit
