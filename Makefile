# Everything runs in a virtual environment of its own, made on first use: make test, make demo, make bench, make check.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench bounds format clean

demo: $(VENV)/.demo-ready
	@$(BIN)/python examples/demo.py

test: $(VENV)/.test-ready
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test-ready
	$(BIN)/python -m tests.bench $(ARGS)

# The same tests of the cores with the oldest coverage.py and asgiref that pyproject.toml admits.
bounds: $(VENV)/.bounds-ready
	$(BIN)/python -m pytest tests/test_cores.py tests/test_interleavings.py tests/test_recorder.py $(ARGS)

format: $(VENV)/.test-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.demo-ready: $(VENV)/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group demo
	@touch $@

$(VENV)/.test-ready: $(VENV)/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group test
	@touch $@

$(VENV)/.bounds-ready: $(VENV)/.test-ready
	$(BIN)/python -m pip install --quiet "coverage==7.6.0" "asgiref==3.6.0"
	@touch $@

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
