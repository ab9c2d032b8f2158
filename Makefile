# `make` lists the commands. Each one does the set-up itself when it is missing or out of date.
SHELL := /bin/bash
.DEFAULT_GOAL := help
READY := .venv/.ready
BIN := .venv/bin
SOURCE ?= world
DATA ?=
FEATURE_BENCHES := training_assembly materialisation online_row features_day
MODEL_BENCHES := candidates retrieval two_tower ranking cold_start diversity plain_ranker candidate_quality world_quality retraining
EVALUATION_BENCHES := evaluation_peers evaluation_metrics evaluation_bootstrap off_policy page_judges experiments
# One test worker more than there are cores: tests that wait for servers leave a core idle otherwise.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 1)
KUAIRAND ?= $(wildcard ../shared/data/kuairand-pure)
OPEN_BANDIT ?= $(wildcard ../shared/data/open-bandit-women)
off_policy_of = $(OPEN_BANDIT)
plain_ranker_of = $(KUAIRAND)
candidate_quality_of = $(if $(KUAIRAND),kuairand --path $(KUAIRAND) --test-from 2022-04-29)

# Runs each bench, whatever became of the one before, and prints all bars as one table; fails where one was missed.
define measured
	@set -o pipefail; said=$$(mktemp); missed=0; trap 'rm -f $$said' EXIT; \
	$(foreach name,$(1),echo "== benchmarks/$(name).py"; \
	  $(HOST_ENV) $(BIN)/python benchmarks/$(name).py $($(name)_of) | tee -a $$said || missed=1;) \
	echo; awk -F ' [|] ' 'BEGIN {printf "%-74s %32s %18s  %s\n", "bar", "measured", "asked", ""} \
	  /^bar: / {sub(/^bar: /, ""); printf "%-74s %32s %18s  %s\n", $$1, $$2, $$3, $$4}' $$said; exit $$missed
endef
HOST_ENV := DO_NOT_TRACK=1 MLFLOW_DISABLE_TELEMETRY=true

.PHONY: help setup demo demo-gate up down status test test-slow test-browser test-spark check bench bench-features bench-models bench-evaluation lock clean

help: ## List the commands
	@echo "Marquee: watch events in, a home page out."; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: ## Make .venv with every dependency pinned (PYTHON=... to choose the Python)
	@marquee/setup.sh
	@echo "ready: $$($(BIN)/python --version) in .venv"

$(READY): pyproject.toml constraints.txt marquee/setup.sh
	@marquee/setup.sh

demo: $(READY) ## Run the whole loop once (SOURCE=kuairand DATA=DIR for real logs)
	@$(BIN)/marquee demo --source $(SOURCE) $(if $(DATA),--data $(DATA))

demo-gate: $(READY) ## Judge three challengers, approve one, roll back; print the ledger
	@$(BIN)/marquee demo-gate

up: $(READY) ## Start Airflow, MLflow, Evidently and the API on free ports
	@$(BIN)/marquee up

down: ## Stop them all, leaving no process behind
	@if [ -x $(BIN)/marquee ]; then $(BIN)/marquee down; else echo "nothing is up"; fi

status: $(READY) ## Say what is up, and where
	@$(BIN)/marquee status

test: $(READY) ## Run the tests (without a browser)
	@echo "tests run on $$($(BIN)/python --version)"
	@$(HOST_ENV) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not browser and not spark and not slow"

test-slow: $(READY) ## Run the tests that retrain several times over
	@$(HOST_ENV) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m slow

test-spark: $(READY) ## Compute the features by Spark and by DuckDB and compare (Java 17; installs pyspark)
	@$(BIN)/python -c "import pyspark" 2>/dev/null || EXTRAS=spark marquee/setup.sh
	@$(HOST_ENV) $(BIN)/python -m pytest -m spark tests/spark

test-browser: $(READY) ## Drive a stack of its own with a headless browser (apt-get install chromium)
	@$(HOST_ENV) $(BIN)/python -m pytest -m browser tests/browser

check: $(READY) ## Lint, types, import directions, design rules, compose file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/unit/test_design_rules.py tests/unit/test_compose.py

bench: $(READY) ## Measure every speed claim on this machine
	@for script in benchmarks/[a-z]*.py; do [ -e "$$script" ] || continue; echo "== $$script"; $(BIN)/python $$script || exit 1; done

bench-features: $(READY) ## Measure the feature store alone, and print its bars as a table
	$(call measured,$(FEATURE_BENCHES))

bench-models: $(READY) ## Measure the models alone: quality, speed, their bars as a table (KUAIRAND=DIR for real logs)
	$(call measured,$(MODEL_BENCHES))

bench-evaluation: $(READY) ## Measure metrics, intervals, off-policy estimates, experiments (OPEN_BANDIT=DIR for real logs)
	$(call measured,$(EVALUATION_BENCHES))

lock: $(READY) ## Resolve constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o constraints.txt

clean: down ## Remove what runs made (var/ and caches), keep .venv
	rm -rf var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
