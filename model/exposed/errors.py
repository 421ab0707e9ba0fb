"""The error of models that cannot be exposed."""


class ExposeError(Exception):
    """The model cannot be exposed; the message says why and what to do."""
