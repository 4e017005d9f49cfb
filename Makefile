# The verbs of this project. Each sets up what it needs below this folder, from Python, git and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM ?= chromium

.PHONY: demo report test fuzz test-targets test-airbyte test-report bench lint format build clean

# Loads a team's calls from the sandbox into DuckDB, twice, and checks that nothing is missing.
demo: .venv-demo/.installed
	.venv-demo/bin/python -m demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

# Real targets, a PostgreSQL server of the tests' own, and Meltano: what `docs/` says, and each row that arrives.
test-targets: $(VENV)/.installed .venv-demo/.installed
	$(BIN)/python -m pytest tests/targets

# Airbyte's own clients run the installed `source-tuple`.
test-airbyte: $(VENV)/.installed .venv-pyairbyte/.installed .venv-airbyte-cdk/.installed
	.venv-pyairbyte/bin/python -m pytest -c tests/airbyte/pytest.ini tests/airbyte/test_pyairbyte.py
	.venv-airbyte-cdk/bin/python -m pytest -c tests/airbyte/pytest.ini tests/airbyte/test_standard.py -k "not docker"

# Draws the demo's calls, or those of another database: make report REPORT="path/to/file.duckdb --anonymous"
report: .venv-report/.installed
	@.venv-report/bin/python examples/pairing-report $(REPORT)

# Looks at the report in a real browser, Debian's Chromium unless CHROMIUM names another.
test-report: .venv-test-report/.installed
	@command -v "$(CHROMIUM)" >/dev/null \
	  || { [ "$$(id -u) $(CHROMIUM)" = "0 chromium" ] && apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } \
	  || { echo "There is no $(CHROMIUM): install Debian's package chromium, or name a browser by CHROMIUM=." >&2; exit 1; }
	CHROMIUM="$(CHROMIUM)" .venv-test-report/bin/python -m pytest -c tests/report/pytest.ini tests/report

# Kill and resume at many more random places than in `make test`.
fuzz: $(VENV)/.installed
	TAP_TUPLE_FUZZ_PLACES=1000 $(BIN)/python -m pytest tests/test_kill_and_resume.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --quiet --offline --strict-collection --pedantic .github

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Builds what a release publishes into dist/.
build: $(VENV)/.installed
	$(BIN)/python -m build

# pip 25.1 is the first that installs dependency groups.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

# Environments of their own for what the tap itself does without; each is named after its dependency group.
.venv-%/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet "pip>=25.1"
	.venv-$*/bin/python -m pip install --quiet --group $*
	touch $@

# Measures the tap beside the alternatives, and writes benchmarks/results.md; some of it at the API's own pace.
bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

clean:
	git clean -fdX
