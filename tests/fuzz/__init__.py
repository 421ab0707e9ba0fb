"""Fuzz test: malformed requests to the embedded server and to the page.

python -m tests.fuzz [--requests 100000] [--seed 1]
python -m tests.fuzz --replay FILE

Invariants: no request crashes a process, takes longer than a second or grows the memory without
bound, and the project's own code never responds with an internal error.
"""
