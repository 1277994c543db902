# The whole developer interface. `make` or `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check hostile bench readme setup clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "guerdon needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[search]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.base

setup: $(VENV)/.dev ## Make the virtual environment with everything for development

demo: $(VENV)/.base ## Solve real puzzles, watch, and write a report (minutes)
	$(BIN)/guerdon demo

test: $(VENV)/.dev ## Run the default test suite (under 8 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(JOBS)

test-slow: $(VENV)/.dev ## Run the slow tests too: real models, Ray, TRL (need their extras)
	$(BIN)/python -m pytest -m 'slow or ray'

check: $(VENV)/.dev ## Lint, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

hostile: $(VENV)/.base ## Run the hostile corpus: code in the sandbox, files at their readers
	$(BIN)/python -m guerdon.testing.hostile

bench: $(VENV)/.dev ## Measure against the peers, side by side (installs them in a separate environment)
	$(BIN)/python -m benchmarks all

readme: $(VENV)/.dev ## Write the benchmark table of the README from the recorded results
	$(BIN)/python -m benchmarks readme

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
