"""A mistake a person can act on: one sentence, shown without a traceback."""


class BundleError(Exception):
    """The message gives the value, the place and the remedy."""
