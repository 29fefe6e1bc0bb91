SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --warn-undefined-variables --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# A lock that is newer than its stamp is installed again; the test lock holds the local one whole.
LOCAL := $(VENV)/.local.stamp
TEST := $(VENV)/.test.stamp
# A Milvus server for the tests; its package and ours need other versions of the same libraries.
MILVUS := .milvus-server
# Stream processors that kith is measured beside; they need other versions of the same libraries too.
RIVALS := .rivals
# Prometheus' own checker of rules; Go, which builds it, is a package too.
PROMTOOL := .promtool
ACCOUNTING := tests/integration/test_accounting.py
KEEP ?=
RELEASE ?= student-v1
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml

.PHONY: help demo test setup lint format first-half second-half unit integration test-replay test-query test-faults test-milvus test-scale test-training test-security test-clients test-alerts bench bench-costs bench-query bench-freshness bench-concurrency bench-replay bench-rollout bench-pipeline bench-steady bench-endurance bench-contrast bench-scale lock lock-rivals student student-v0 clean

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: $(LOCAL) ## Set up, start every part, stream 5,000 profiles, ask; KEEP=1 leaves it running
	@$(BIN)/kith demo $(if $(filter 1,$(KEEP)),--keep)

# Halves that take as long, side by side, for the tests on real parts mostly wait. `+` shows one as it goes, the other
# when it is done.
test: setup ## Lint and every test, on real parts started for it
	@$(MAKE) --jobs 2 --output-sync=target first-half second-half

first-half: lint
	@$(BIN)/pytest tests/architecture tests/charts tests/compatibility tests/contract tests/docs tests/e2e tests/unit $(ACCOUNTING)

second-half: $(TEST)
	+@$(BIN)/pytest tests/integration --ignore $(ACCOUNTING)

setup: $(TEST) ## A working environment in .venv

lint: $(TEST) ## Check style, types and layers; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(TEST) ## Format and sort imports
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

unit: $(TEST) ## Only the tests that need no part
	@$(BIN)/pytest tests/unit

integration: $(TEST) ## Only the tests of processes on real parts
	@$(BIN)/pytest tests/integration

test-faults: $(TEST) ## Kill, stop, fill and poison the real parts under load, and audit; 14 to 19 minutes
	@$(BIN)/pytest tests/faults

test-replay: $(TEST) ## Backfills, rebuilds and rollouts on real parts, under traffic and kills; about 9 minutes
	@$(BIN)/pytest tests/replay

test-query: $(TEST) $(MILVUS)/.stamp ## 200 askers while query consumers are killed; 10,000 writes, each found by its writer; about 9 minutes
	@$(BIN)/pytest tests/query -s --milvus-server $(MILVUS)/bin/milvus-server

test-milvus: $(TEST) $(MILVUS)/.stamp ## The contract of the index on a Milvus server without Docker; about 6 minutes
	@$(BIN)/pytest tests/contract --milvus-server $(MILVUS)/bin/milvus-server

test-scale: $(TEST) ## 100,000 records, 30 % with a known text: embedded is each text of a profile once; about 5 minutes
	@$(BIN)/pytest tests/scale -s

test-training: $(TEST) ## Teacher, student and release by their commands, on a tiny encoder; about a minute
	@$(BIN)/pytest tests/training

test-alerts: $(PROMTOOL)/promtool ## Every alert fires in Prometheus' own promtool; seconds, once it is built, in 5 to 13 minutes and 3 GB
	@$< check config ops/prometheus/prometheus.yml
	@$< test rules ops/prometheus/alerts.test.yml

test-security: $(TEST) ## A broker with TLS, users and rights: the whole path with the least, and each refusal; 3 to 6 minutes
	@$(BIN)/pytest tests/security

test-clients: $(TEST) ## A Java service with Spring Kafka's own ReplyingKafkaTemplate gets its replies; needs a JDK; about a minute
	@$(BIN)/pytest tests/clients

bench: $(TEST) ## Measure the embedder on this machine, against the pretrained encoder as others run it; 4 to 7 minutes
	@$(BIN)/python -m benchmarks.embed

bench-costs: $(TEST) $(MILVUS)/.stamp ## What a change, a profile and a question cost: the figures of `kith plan`; about 5 minutes
	@$(BIN)/python -m benchmarks.unit_costs

bench-query: $(TEST) $(MILVUS)/.stamp ## What the bus costs, what micro-batches give, what overload does; about 10 minutes
	@$(BIN)/python -m benchmarks.query

bench-rollout: $(TEST) $(MILVUS)/.stamp ## A rollout of 50,000 people under live traffic, on a Milvus server; 16 to 45 minutes
	@$(BIN)/python -m benchmarks.rollout --new-text 0.3

bench-pipeline: $(TEST) $(MILVUS)/.stamp $(RIVALS)/.stamp ## Kafka to Milvus: kith, its bare embedder, a plain consumer, Quix, Bytewax, Pathway; 11 to 30 minutes
	@$(BIN)/python -m benchmarks.pipeline --people 12000 --rivals-people 3000

bench-steady: $(TEST) $(MILVUS)/.stamp ## Ten minutes at 80 % of what one backlog gave: lag, memory, freshness; about 15 minutes
	@$(BIN)/python -m benchmarks.pipeline --steady 10

bench-endurance: $(TEST) $(MILVUS)/.stamp ## A million events of every kind through one indexer: its memory; about 21 minutes at 800 events a second
	@$(BIN)/python -m benchmarks.endurance

bench-contrast: $(TEST) $(MILVUS)/.stamp ## The same thousand events through kith and four other consumers, and what each gets wrong; 4 to 8 minutes
	@$(BIN)/python -m benchmarks.contrast

bench-freshness: $(TEST) $(MILVUS)/.stamp ## How late a change is found, from a tenth of the capacity to more than it; about 7 minutes
	@$(BIN)/python -m benchmarks.freshness

bench-concurrency: $(TEST) $(MILVUS)/.stamp ## Searches from 1 to 128 askers, beside an idle indexer and a busy one; about 7 minutes
	@$(BIN)/python -m benchmarks.query_concurrency

bench-replay: $(TEST) $(MILVUS)/.stamp ## Backfills with 0, 30 and 90 % known texts, and an index made again from the log; about 7 minutes
	@$(BIN)/python -m benchmarks.replay

bench-scale: $(TEST) $(MILVUS)/.stamp ## 1, 2 and 4 indexers whose embedding is a sleep; how long partitions stand still; tables and starts; about 15 minutes
	@$(BIN)/python -m benchmarks.scale
	@$(BIN)/python -m benchmarks.rebalance
	@$(BIN)/python -m benchmarks.tables

student: $(TEST) ## Train teacher and student from the authored data and release the student; under 2 hours on 2 cores
	@$(BIN)/kith distill teacher
	@$(BIN)/kith distill student
	@$(BIN)/kith distill release --release $(RELEASE) --out models --force

student-v0: $(TEST) ## Make models/student-v0 again from the pretrained encoder; the same bytes come out
	@$(BIN)/kith distill export --release student-v0 --out models --force

lock: $(TEST) ## Resolve every dependency again and write requirements/
	@$(LOCK) --extra cpu --extra embedded --extra demo --extra eval --extra gateway --extra tracing --extra train --group build --group test -o requirements/test.txt
	@$(LOCK) --extra cpu --extra embedded --extra demo --group build -c requirements/test.txt -o requirements/local.txt
	@$(LOCK) --extra cpu --extra gateway --extra tracing --group build -c requirements/test.txt -o requirements/serve.txt

lock-rivals: $(TEST) ## Resolve what the rivals of bench-pipeline need and write requirements/rivals.txt
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate requirements/rivals.in -o requirements/rivals.txt

clean: ## Remove the environment and the state of local parts
	@rm -rf $(VENV) $(MILVUS) $(PROMTOOL) $(RIVALS) .kith

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11 with venv (Debian: python3.11 python3.11-venv), or set PYTHON=..."; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(LOCAL): requirements/local.txt pyproject.toml | $(BIN)/python
	@echo "installing what the demo needs (requirements/local.txt)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/local.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(TEST): requirements/test.txt pyproject.toml | $(BIN)/python
	@echo "installing what the tests need (requirements/test.txt)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(LOCAL)

$(MILVUS)/.stamp: requirements/milvus-server.txt | $(BIN)/python
	@echo "installing a Milvus server (requirements/milvus-server.txt)"
	@$(PYTHON) -m venv $(MILVUS)
	@$(MILVUS)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/milvus-server.txt
	@touch $@

$(RIVALS)/.stamp: requirements/rivals.txt | $(BIN)/python
	@echo "installing Quix Streams, Bytewax and Pathway (requirements/rivals.txt)"
	@$(PYTHON) -m venv $(RIVALS)
	@$(RIVALS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/rivals.txt
	@touch $@

$(PROMTOOL)/promtool: requirements/promtool.txt ops/prometheus/promtool/go.mod ops/prometheus/promtool/go.sum
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed"; exit 2; }
	@echo "building promtool (ops/prometheus/promtool)"
	@rm -rf $(PROMTOOL)
	@$(PYTHON) -m venv $(PROMTOOL)
	@$(PROMTOOL)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/promtool.txt
	@cd ops/prometheus/promtool && export GOPATH=$(CURDIR)/$(PROMTOOL)/go GOCACHE=$(CURDIR)/$(PROMTOOL)/cache GOTOOLCHAIN=local CGO_ENABLED=0 \
		&& $(CURDIR)/$(PROMTOOL)/bin/go build -modcacherw -o $(CURDIR)/$@ github.com/prometheus/prometheus/cmd/promtool
	@rm -rf $(PROMTOOL)/go $(PROMTOOL)/cache
