"""What a model can be refused for."""


class ExposeError(Exception):
    """The model cannot be exposed; the message says why and what to do."""
