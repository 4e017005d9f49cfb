# The verbs of this project. Each sets up what it needs below this folder, from Python, git and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint format clean

# Loads a team's calls from the sandbox into DuckDB, twice, and checks that nothing is missing.
demo: .venv-demo/.installed
	.venv-demo/bin/python -m demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

# Kill and resume at many random places, beyond the few of `make test`.
fuzz: $(VENV)/.installed
	TAP_TUPLE_FUZZ_PLACES=200 $(BIN)/python -m pytest tests/test_kill_and_resume.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pip 25.1 is the first that installs dependency groups.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

.venv-demo/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet "pip>=25.1"
	.venv-demo/bin/python -m pip install --quiet --group demo
	touch $@

clean:
	git clean -fdX
