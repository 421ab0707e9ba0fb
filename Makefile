# Everything runs in .venv, which every target creates or updates as needed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
READY_FOR_TESTS := $(VENV)/.ready-for-tests
SCRIPT_TESTS = $(VENV)/bin/deno test --no-check --quiet tests/scripts

.PHONY: demo test test-quick setup bench soak lint clean

demo: $(READY)
	$(RUN) -m demo

test: $(READY_FOR_TESTS) lint
	@$(RUN) -m tests.install_browser
	$(SCRIPT_TESTS)
	$(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-quick: $(READY_FOR_TESTS)
	$(SCRIPT_TESTS)
	$(RUN) -m pytest -m "not slow"

setup: $(READY_FOR_TESTS)

bench: $(READY_FOR_TESTS)
	@$(RUN) -m tests.install_browser
	$(RUN) -m tests.bench

soak: $(READY_FOR_TESTS)
	@$(RUN) -m tests.install_browser
	$(RUN) -m tests.soak $(if $(MINUTES),--minutes $(MINUTES))

lint: $(READY_FOR_TESTS)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/deno fmt --check --config demo/deno.json
	$(VENV)/bin/deno lint --config demo/deno.json

clean:
	rm -rf $(VENV) exported trained

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed (TensorFlow supports only these): make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): requirements.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(READY_FOR_TESTS): requirements-dev.txt $(READY)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
