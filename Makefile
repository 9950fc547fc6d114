# Everything that a person or a build server does here. GNU make 3.81 or newer, which is what macOS has.
# Each target makes what it needs: the environment in .venv is built once, and again when a lock file changes.

PYTHON ?= python3
ARGS ?=

VENV := .venv
IN_VENV := $(VENV)/bin/python
PIP := $(IN_VENV) -m pip --disable-pip-version-check -qq
INSTALL := $(PIP) install --no-deps --require-hashes
WORKERS ?= auto
# Many tests wait for a clock on the wall: one worker more than there are cores leaves none of them idle.
TEST_WORKERS = $(if $(filter auto,$(WORKERS)),$(shell expr $$(getconf _NPROCESSORS_ONLN) + 1),$(WORKERS))

# Tests start hundreds of commands: each would compile all that it loads anew.
unexport PYTHONDONTWRITEBYTECODE

# Stamps: newer than the locks that they stand for when the environment is up to date.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help trade backtest exchange test check bench crash fuzz soak lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS="..." adds options, as in: make trade ARGS="--sessions 20 --seed 7"'
	@echo '  PYTHON=python3.12 builds .venv with another Python (3.11, 3.12 or 3.13; after make clean if .venv is there)'

trade: $(RUNTIME) ## watch the combined strategy trade real history at the built-in exchange; CRASH=1 kills and resumes it
	@$(IN_VENV) $(if $(CRASH),backtests/crash_showcase.py,live_trader.py --strategy combined --broker exchange --config config/showcase.yaml) $(ARGS)

backtest: $(RUNTIME) ## run the combined strategy over the bundled history, with a tear sheet
	@$(IN_VENV) backtests/combined.py $(ARGS)

exchange: $(RUNTIME) ## serve the built-in exchange by itself, on this machine only
	@$(VENV)/bin/desk exchange serve $(ARGS)

test: $(DEV) ## run every test
	@$(IN_VENV) -m pytest -n $(TEST_WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

check: $(DEV) ## formatting, lint, types, import contracts and the fast tests, in under a minute
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/mypy --no-error-summary
	$(VENV)/bin/lint-imports --no-logo
	@$(IN_VENV) -m pytest -n $(WORKERS) --maxprocesses 4 -q -m 'not slow' --hypothesis-profile quick $(ARGS)

bench: $(BENCH) ## measure speed against stock Lumibot and backtrader
	@$(IN_VENV) backtests/bench.py $(ARGS)

fuzz: $(DEV) .venv-soak/.made ## ten minutes of made-up requests against the exchange
	@$(IN_VENV) backtests/exchange_fuzz.py $(ARGS)

soak: $(DEV) .venv-soak/.made ## the same, then 10,000 iterations with every fault at random (most of an hour)
	@$(IN_VENV) backtests/exchange_fuzz.py
	@$(IN_VENV) backtests/soak.py $(ARGS)

crash: $(DEV) ## kill the desk by seeded schedules and judge what is left; N=1000 plays more, SEED=7 one again, SPREADS=1 option spreads
	@$(IN_VENV) backtests/$(if $(SPREADS),spread_crashes.py,crashes.py) $(if $(SEED),--seed $(SEED),$(if $(N),--schedules $(N))) $(ARGS)

lock: .venv-lock/bin/uv ## resolve the lock files again; ARGS=--upgrade takes newer versions
	$(RESOLVE) --output-file requirements.lock $(ARGS)
	$(RESOLVE) --extra dev --extra contract --constraint requirements.lock --output-file requirements-dev.lock $(ARGS)
	$(RESOLVE) --extra dev --extra contract --extra bench --constraint requirements-dev.lock --output-file requirements-bench.lock $(ARGS)
	echo 'schemathesis>=4' | $(RESOLVE:pyproject.toml=-) --output-file requirements-soak.lock $(ARGS)

clean: ## remove .venv and every cache; journals and reports in runs/ stay
	rm -rf $(VENV) .venv-lock .venv-soak build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find desk strategies hedging options backtests tests -type d -name __pycache__ -prune -exec rm -rf {} +

# One resolution for every supported Python and both systems; no index address, so that any mirror will do.
RESOLVE = .venv-lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

.venv-lock/bin/uv:
	@$(call find_python)
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install 'uv>=0.9,<1'

# Bytecode on every core and without the libraries' own tests takes less time and 80 MB less than pip's way.
# The package itself needs no network: setuptools is in the lock, so the build is not isolated.
$(RUNTIME): requirements.lock pyproject.toml
	@$(call find_python)
	@$(IN_VENV) -c 'import pip; $(SUPPORTED)' 2>/dev/null || { \
		echo "Making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing the $$(grep -c '^[a-zA-Z]' requirements.lock) packages of requirements.lock (once; a minute or two)"
	@$(INSTALL) --no-compile --requirement requirements.lock
	@$(IN_VENV) -m compileall -qq -j 0 -x /tests/ $(VENV)/lib/python3*/site-packages || true
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the tools for tests and checks from requirements-dev.lock"
	@$(INSTALL) --requirement requirements-dev.lock
	@touch $@

$(BENCH): requirements-bench.lock $(DEV)
	@echo "Installing what the benchmark compares with from requirements-bench.lock"
	@$(INSTALL) --requirement requirements-bench.lock
	@touch $@

.venv-soak/.made: requirements-soak.lock
	@$(call find_python)
	@$(PYTHON) -m venv --clear .venv-soak
	@.venv-soak/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes --requirement requirements-soak.lock
	@touch $@

# Says in words what is wrong with $(PYTHON); make stops at the exit code.
define find_python
command -v $(PYTHON) >/dev/null 2>&1 || { \
	echo "$(PYTHON) is not there. Install Python 3.11, 3.12 or 3.13, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }; \
$(PYTHON) -c '$(SUPPORTED)' || { \
	echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); this needs Python 3.11, 3.12 or 3.13. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
endef
