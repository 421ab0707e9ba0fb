"""Endurance test: clients use a page for an hour while faults are injected; nothing may be lost."""
