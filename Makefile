# make demo   the whole service on drawn studies (EXIT=1: end after the picture; DATA=DIR: your own)
# make test   lint, types, import contracts and all tests
# make evaluate  figures of an encoder (DATA=slices.csv; ARGS='--plots DIR': pictures, too)
# make encoder   trains both encoders that ship (DATA=slices.csv); interrupted, it goes on where it was
# make compare   trains and measures what the encoder is compared with (ARGS='--epochs 5')
# make soak   the node under kills, large objects, a day in small, a long past; a quarter of an hour, 6 GB of disk
# make conformance  writes docs/conformance.md anew, of the default settings
# make bench  the comparisons of docs/benchmarks.md (SIZE=1000000: slices searched; ARGS='query --keep')
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts tests soak evaluate encoder compare bench conformance clean

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

# Side by side, since tests of the whole service mostly wait for it; what they say comes at the end.
BESIDE := $(addprefix tests/integration/service/,cli reindex replicas studies uploads worker)
WHOLE := tests/acceptance tests/e2e $(BESIDE)
PARTS := tests/unit tests/properties tests/migrations tests/integration $(BESIDE:%=--ignore=%)
PYTEST := $(BIN)/python -m pytest -o cache_dir=.pytest_cache/

tests: $(VENV)/.precuneus-dev
	@log=$$(mktemp); $(PYTEST)whole $(WHOLE) >$$log 2>&1 & whole=$$!; \
	trap 'kill $$whole; exit 130' INT TERM; \
	$(PYTEST)parts $(PARTS); parts=$$?; \
	wait $$whole; whole=$$?; cat $$log; rm -f $$log; \
	test $$parts = 0 -a $$whole = 0

soak: $(VENV)/.precuneus-dev
	SOAK=1 $(BIN)/python -m pytest tests/integration/service/node tests/e2e/test_orthanc_past.py \
		tests/e2e/test_reindex.py

$(VENV)/.precuneus-evaluate: $(VENV)/.precuneus
	$(PIP) install --quiet --constraint constraints.txt --editable '.[evaluate]'
	@touch $@

evaluate: $(VENV)/.precuneus-evaluate
	$(BIN)/precuneus model evaluate '$(or $(DATA),../shared/data/slices.csv)' --encoder dev $(ARGS)

# Steps are fused where there is a C++ compiler; the first one then takes a minute.
TRAIN := $(BIN)/precuneus model train '$(or $(DATA),../shared/data/slices.csv)' \
	--planes model/evaluation/mr_planes.csv $(if $(shell command -v g++),--compile)
DEV := --train-folds 1,2,3 --validation-folds 4
ALL := --train-folds 1,2,3,4 --validation-folds none

encoder: $(VENV)/.precuneus
	$(TRAIN) $(DEV) --out runs/dev $(ARGS)
	$(TRAIN) $(DEV) --config shipped --from runs/dev/msnet-*.safetensors \
		--out runs/dev-finish --install dev $(ARGS)
	$(TRAIN) $(ALL) --out runs/default $(ARGS)
	$(TRAIN) $(ALL) --config shipped --from runs/default/msnet-*.safetensors \
		--out runs/default-finish --install default $(ARGS)

compare: $(VENV)/.precuneus-dev
	$(BIN)/python -m benchmarks.compare $(if $(DATA),--data '$(DATA)') $(ARGS)

# hnswlib comes as source: without a C++ compiler the comparison goes without it.
$(VENV)/.precuneus-bench: $(VENV)/.precuneus-dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bench]' || \
		$(PIP) install --quiet --constraint constraints.txt usearch
	@touch $@

bench: $(VENV)/.precuneus-bench
	$(BIN)/python -m benchmarks $(ARGS)

conformance: $(VENV)/.precuneus
	@$(BIN)/precuneus node conformance --defaults --output docs/conformance.md

clean:
	rm -rf $(VENV) .demo demo.png
