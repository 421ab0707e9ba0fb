"""The network: what it is, what it eats, how it learns, what it serves."""
