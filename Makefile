.PHONY: demo test check format clean

# The first of python3.11 and python3 that is 3.11 or newer and can make a venv.
PY ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin

# The stamp is newer than what decides the installed set, so that a second `make` installs nothing.
.venv/.installed: constraints.txt pyproject.toml
	@test -n "$(PY)" || { echo "Python 3.11 or newer with venv is needed: make PY=/path/to/python3.11"; exit 1; }
	$(PY) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: .venv/.installed
	$(BIN)/agent-report demo

# Most tests wait for servers and processes, so there are more of them than cores; those that measure time have the
# machine to themselves.
test: .venv/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not alone"
	$(BIN)/python -m pytest -m alone

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv agent-report-data
