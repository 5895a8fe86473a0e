# Needs Python >= 3.11, make and git; everything else goes into .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The whole suite shares the cores. A selection (ARGS) is quicker in one process, where a debugger
# works too, and says nothing of coverage; `-n auto` in ARGS shares the cores all the same.
SUITE := -n auto --maxprocesses 4 --dist worksteal --cov --cov-report=term:skip-covered

.PHONY: help serve test lint format bench lock clean
help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("smsgate needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# The run-time set alone: what a server needs. hatchling is in it to build the editable install.
$(RUN_STAMP): $(BIN)/python requirements.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements-dev.txt
	$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

serve: $(RUN_STAMP)  ## start on the embedded database; LAN=1 listens for phones on this network
	@$(if $(LAN),SMSGATE_HOST=0.0.0.0 SMSGATE_ALLOW_HTTP=1) exec $(BIN)/smsgate serve

test: $(DEV_STAMP)  ## the whole test suite with its coverage floor; ARGS="tests/unit -k name" a part
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest $(or $(ARGS),$(SUITE))

lint: $(DEV_STAMP)  ## format, rules, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_STAMP)  ## rewrite files in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV_STAMP)  ## measure; figures are ratios to a bare echo in the same run
	$(BIN)/python -m tests.bench $(ARGS)

lock: $(DEV_STAMP)  ## resolve the lock files anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra build --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean:  ## remove what the build made, never the data
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis htmlcov .coverage*
