# Everything runs in a virtual environment of its own, made on first use: make test, make demo, make bench, make check.
PYTHON ?= python3
VENV ?= .venv
BOUNDS ?= .venv-bounds
BIN := $(VENV)/bin

.PHONY: demo test check bench bounds docs format clean

demo: $(VENV)/.demo-ready
	@$(BIN)/python examples/demo.py

test: $(VENV)/.test-ready
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(VENV)/.test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# On every interpreter that there is.
bench:
	@for python in $$(.ci/interpreters); do \
		venv=.venv-bench-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		$(MAKE) --no-print-directory $$venv/.test-ready PYTHON=$$python VENV=$$venv && \
		$$venv/bin/python -m tests.bench $(ARGS) || exit 1; \
	done

BOUNDED := beside_tools changes cli cli_html cli_report cli_serve code config cores export_coverage file_sinks files gaps interleavings recorder tested tracers view
OLDEST := "coverage==7.6.0" "asgiref==3.6.0" "click==8.1.3" "rich==13.0.0" "unidiff==0.7.5" "jinja2==3.1.2" "pygments==2.15.0" "waitress==3.0.0"

# The tests of what touches our dependencies, with the oldest ones that pyproject.toml admits.
# coverage.py could not close its files before 7.11, and Python 3.13 minds that.
bounds: $(BOUNDS)/.ready
	$(BOUNDS)/bin/python -m pytest -n 2 -W "ignore:unclosed database in:ResourceWarning" $(BOUNDED:%=tests/test_%.py) $(ARGS)

# Writes the pages of docs/ that are made from the code.
docs: $(VENV)/.test-ready
	$(BIN)/python -m tests.reference

format: $(VENV)/.test-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.demo-ready: $(VENV)/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli]" --group demo
	@touch $@

$(VENV)/.test-ready: $(VENV)/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli]" --group test
	@touch $@

$(BOUNDS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(BOUNDS)
	$(BOUNDS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BOUNDS)/bin/python -m pip install --quiet --editable ".[cli]" --group test $(OLDEST)
	@touch $@

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist reqcov-html
