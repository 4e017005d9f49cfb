# The commands of this project. They require only Python, git and make, and install everything else in this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM ?= chromium

.PHONY: demo models report test fuzz test-targets test-orchestration test-next-sdk test-pythons test-airbyte test-dbt \
  test-report bench bench-dbt hub environments lint format build clean

# Loads a team's calls from the sandbox into DuckDB, twice, and checks that nothing is missing.
demo: .venv-demo/.installed
	.venv-demo/bin/python -m demo

# Runs the tests on all cores, and measures the coverage, including that of the processes that they start.
test: $(VENV)/.installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses auto --dist loadgroup
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Runs the pages in `docs/` with real targets, Meltano and a temporary PostgreSQL server, and compares every loaded row.
test-targets: $(VENV)/.installed .venv-demo/.installed
	$(BIN)/python -m pytest tests/targets --ignore tests/targets/orchestration

# Runs the code of docs/orchestration.md in Airflow and Dagster, with Meltano, PostgreSQL and a stand-in for S3.
test-orchestration: $(VENV)/.installed .venv-demo/.installed .venv-orchestration/.installed .venv-airflow/.installed .venv-dagster/.installed
	$(BIN)/python -m pytest tests/targets/orchestration

# Runs the installed `source-tuple` with Airbyte's own clients.
test-airbyte: $(VENV)/.installed .venv-pyairbyte/.installed .venv-airbyte-cdk/.installed
	.venv-pyairbyte/bin/python -m pytest -c tests/airbyte/pytest.ini tests/airbyte/test_pyairbyte.py
	.venv-airbyte-cdk/bin/python -m pytest -c tests/airbyte/pytest.ini tests/airbyte/test_standard.py tests/airbyte/test_metadata.py -k "not docker"

# Builds the models of `dbt/` in the demo's database, and prints the results of the analyses.
models: .venv-dbt/.installed
	@.venv-dbt/bin/python -m demo.models

# Tests the results of the models of `dbt/`, on DuckDB and on a temporary PostgreSQL server.
test-dbt: .venv-dbt/.installed
	.venv-dbt/bin/python -m pytest -c tests/dbt/pytest.ini tests/dbt

# Measures `dbt build` on DuckDB with 200,000 calls.
bench-dbt: .venv-dbt/.installed
	.venv-dbt/bin/python tests/dbt/scale.py

# Builds the pairing report from the demo's database, or from another one: make report REPORT="path/to/file.duckdb --anonymous"
report: .venv-report/.installed
	@.venv-report/bin/python examples/pairing-report $(REPORT)

# Checks the report in a real browser: Debian's Chromium, or the command in the variable CHROMIUM.
test-report: .venv-test-report/.installed
	@command -v "$(CHROMIUM)" >/dev/null \
	  || { [ "$$(id -u) $(CHROMIUM)" = "0 chromium" ] && apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } \
	  || { echo "Command not found: $(CHROMIUM). Install Debian's package chromium, or set CHROMIUM to a browser." >&2; exit 1; }
	CHROMIUM="$(CHROMIUM)" .venv-test-report/bin/python -m pytest -c tests/report/pytest.ini tests/report

# Runs the tests with the newest release or pre-release of the SDK, which the requirements of the tap exclude.
test-next-sdk: .venv-next-sdk/.installed
	.venv-next-sdk/bin/python -m pip install --quiet --upgrade "singer-sdk[msgspec]>=0.55.0a0"
	.venv-next-sdk/bin/python -m pip list --format freeze | grep "^singer-sdk="
	.venv-next-sdk/bin/python -m pytest --quiet

# Runs the tests with each supported Python that is installed, and prints which ones were used.
test-pythons:
	$(PYTHON) .ci/pythons.py

# Kills and resumes runs at many more random places than `make test`.
fuzz: $(VENV)/.installed
	TAP_TUPLE_FUZZ_PLACES=1000 $(BIN)/python -m pytest tests/test_kill_and_resume.py

# mypy checks some folders separately, because their modules have the same names, e.g. `conftest`.
lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/mypy tests/*.py tests/repository/*.py
	$(BIN)/mypy tests/airbyte/*.py
	$(BIN)/mypy tests/targets/*.py tests/runners.py
	MYPYPATH=tests/targets:tests $(BIN)/mypy tests/targets/orchestration/*.py
	MYPYPATH=tests/targets:examples/pairing-report $(BIN)/mypy tests/dbt/*.py
	$(BIN)/mypy tests/report/*.py examples/pairing-report/*.py
	$(BIN)/mypy benchmarks/peers/*/*.py
	$(BIN)/zizmor --quiet --offline --strict-collection --pedantic .github

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Builds the sdist and the wheel of a release into dist/.
build: $(VENV)/.installed
	$(BIN)/python -m build

# pip 25.1 is the first version that installs dependency groups.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

# Includes the tap, to test it with another version of the SDK.
.venv-next-sdk/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-next-sdk
	.venv-next-sdk/bin/python -m pip install --quiet "pip>=25.1"
	.venv-next-sdk/bin/python -m pip install --quiet --editable . --group test
	touch $@

# Separate environments for tools that the tap does not need, each named after its dependency group.
.venv-%/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet "pip>=25.1"
	.venv-$*/bin/python -m pip install --quiet --group $*
	touch $@

# Writes the plugin definition for `meltano add --from-ref` and MeltanoHub.
hub: $(VENV)/.installed
	$(BIN)/python -m hub

# Creates all environments in advance, to run several test suites at once.
environments: $(VENV)/.installed $(foreach group,demo dbt pipelinewise-target-postgres plinxore-target-s3 meltanolabs-target-csv s3 orchestration airflow dagster pyairbyte airbyte-cdk report test-report next-sdk,.venv-$(group)/.installed)

# Compares the CPU, memory and time of the tap with those of its alternatives, and writes benchmarks/results.md. Takes
# several minutes, because parts of it run at the API's rate limit.
bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

# Removes only build files. Keeps files of runs and users, e.g. .env, .meltano and warehouse.duckdb.
clean:
	rm -rf .venv .venv-* build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache ./*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
