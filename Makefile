# Everything a person types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install
install: $(VENV)/installed ## virtual environment with the locked requirements

.PHONY: demo
demo: install ## seed a warehouse, start the sandbox, export one day, show the result
	$(BIN)/attribution demo

.PHONY: ui
ui: install ## the Dagster UI on the demo warehouse (port 3000 or a free one), with the sandbox
	$(BIN)/attribution demo --ui

.PHONY: test
test: install ## the tests that take less than ten minutes
	$(BIN)/python -m pytest -n auto -m "not long and not browser"

.PHONY: test-long
test-long: install ## the tests that take longer
	$(BIN)/python -m pytest -n auto --dist loadfile -m long

.PHONY: browser
browser: install ## a failed day is run again in the Dagster UI, in Chromium
	@tests/browser/install-chromium
	$(BIN)/python -m pytest -n 0 -m browser tests/browser

.PHONY: screenshots
screenshots: ## the same, and renews the pictures in docs/images
	SCREENSHOTS=1 $(MAKE) browser

.PHONY: check
check: install ## style, types, import contracts, SQL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql tests

.PHONY: docs
docs: install ## docs/data-rules.md, from the rules in the code
	$(BIN)/python -m assets.data_rules > docs/data-rules.md

.PHONY: bench
bench: install ## speed and memory, as ratios against a baseline of the same run
	$(BIN)/python -m benchmarks.delivery
	$(BIN)/python -m benchmarks.backfill

.PHONY: lock
lock: install ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --quiet --upgrade \
		--generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-strip-extras --python-version 3.11 --output-file requirements.lock

.PHONY: clean
clean: ## remove what was made: environment, demo data, Dagster history
	rm -rf $(VENV) var .dagster
