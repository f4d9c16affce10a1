# Two commands do everything on a fresh machine: `make dive` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip --disable-pip-version-check --quiet
# what to add to `aistack dive`, for example: make dive ARGS=--quick
ARGS   ?=

.PHONY: dive test check-all lint benchmarks clean

dive: $(VENV)/.lab
	$(BIN)/aistack dive $(ARGS)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest

check-all: $(VENV)/.dev lint
	command -v chromium >/dev/null || (apt-get update && apt-get install -y --no-install-recommends chromium)
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

benchmarks: $(VENV)/.dev
	$(BIN)/python benchmarks/start_up.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("aistack needs Python 3.11 or newer: make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lab: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing aistack with its lab into $(VENV) (a minute or two) ..."
	$(PIP) install --editable '.[lab,embed,web]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing aistack with its lab and tools into $(VENV) (a minute or two) ..."
	$(PIP) install --editable '.[lab,embed,web,dev]'
	@touch $@ $(VENV)/.lab

clean:
	rm -rf $(VENV) build dist
