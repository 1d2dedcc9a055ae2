# make demo   the whole service on drawn studies (EXIT=1: end after the picture; DATA=DIR: your own)
# make test   lint, types, import contracts and all tests
# make bench  the comparisons of docs/benchmarks.md
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts tests bench clean

help:
	@grep '^# make' Makefile | cut -c3-

$(VENV)/.precuneus: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Precuneus needs Python 3.11 or newer; say which: make PYTHON=python3.11 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.precuneus-dev: $(VENV)/.precuneus
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.precuneus
	@$(BIN)/precuneus demo $(if $(EXIT),--exit) $(if $(DATA),--data '$(DATA)')

test: lint types contracts tests

lint: $(VENV)/.precuneus-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.precuneus-dev
	$(BIN)/mypy

contracts: $(VENV)/.precuneus-dev
	$(BIN)/lint-imports

tests: $(VENV)/.precuneus-dev
	$(BIN)/python -m pytest

bench: $(VENV)/.precuneus-dev
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .demo demo.png
