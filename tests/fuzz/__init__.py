"""Malformed requests to the embedded server and to the page, which have to survive them all.

python -m tests.fuzz [--requests 100000] [--seed 1]
python -m tests.fuzz --replay FILE

What is promised: no request takes either of them down, is answered later than after a second or
fills the memory, and what our own code answers is never an internal error.
"""
