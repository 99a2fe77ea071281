# `make` without a target lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROCESSORS := $(shell getconf _NPROCESSORS_ONLN)
# Tests wait for servers and disks, so one process more than processors keeps those busy.
# The long tests keep processors busy themselves.
WORKERS := $(shell expr $(PROCESSORS) + 1)
UPGRADE := --upgrade
export DAGSTER_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: install
install: $(VENV)/installed ## create .venv with the locked requirements

.PHONY: demo
demo: install ## seed a warehouse, start the sandbox, export one day, show the result
	$(BIN)/attribution demo

.PHONY: ui
ui: install ## open the Dagster UI on the demo data (port 3000 or a free one)
	$(BIN)/attribution demo --ui

.PHONY: test
test: install ## run the tests, except the long ones and those in a browser
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long and not browser"

.PHONY: test-long
test-long: install ## run the tests that take longer, and properties on all examples
	ALL_EXAMPLES=1 $(BIN)/python -m pytest -n $(PROCESSORS) --dist loadfile \
		-m "(long or hypothesis or examples) and not browser"

.PHONY: browser
browser: install ## run the tests in Chromium; install it if it is missing
	@tests/browser/install-chromium
	$(BIN)/python -m pytest -n 0 -m browser tests/browser

.PHONY: screenshots
screenshots: ## run the tests in Chromium and renew docs/images
	SCREENSHOTS=1 $(MAKE) browser

.PHONY: check
check: install ## check style, types, import contracts and SQL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql tests

.PHONY: docs
docs: install ## write docs/data-rules.md from the rules in the code
	$(BIN)/python -m assets.data_rules > docs/data-rules.md

.PHONY: docs-site
docs-site: install ## build the documentation as a searchable site in var/docs-site/html
	rm -rf var/docs-site
	$(BIN)/python -m sphinx --builder html --conf-dir docs --quiet --fail-on-warning \
		--doctree-dir var/docs-site/doctrees . var/docs-site/html

.PHONY: bench
bench: install ## measure speed and memory, as ratios to a baseline of the same run
	$(BIN)/python -m benchmarks.delivery
	$(BIN)/python -m benchmarks.backfill

.PHONY: lock
lock: install ## update requirements.lock; UPGRADE= keeps the versions that are pinned
	$(BIN)/uv pip compile pyproject.toml --group dev --quiet $(UPGRADE) \
		--generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-strip-extras --python-version 3.11 --output-file requirements.lock

.PHONY: clean
clean: ## remove the environment, the demo data and the Dagster history
	rm -rf $(VENV) var .dagster
