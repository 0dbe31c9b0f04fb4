# Two commands to know: `make demo` shows cotally at work, `make test` checks it.
# Each does its own set-up; all that must be there is Python 3.11 or newer, and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
STUBS := .venv-stubs/bin
PIP := python -m pip --disable-pip-version-check install --quiet
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
SUITES ?= crypto noise engine federation
KERNEL := server/cotally/server/crypto/kernel.c

# Everything under test lies in these; the locks are made by `make lock` from pyproject.toml.
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet

.PHONY: help install demo test test-slow test-spark mutants bench lock stubs clean

help:  ## show this list
	@echo "cotally: departments answer a statistical question together; no record leaves its department."
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18
	@echo
	@echo "Start with \`make demo\`. After \`make install\`, \`.venv/bin/cotally --help\` lists every command."

install: .venv/.runtime  ## make .venv, holding .venv/bin/cotally with everything it can do

demo: .venv/.runtime  ## a federation of five departments answers three questions, in a minute
	$(BIN)/cotally demo

test: .venv/.dev .venv-stubs/.made  ## lint, types, import contracts, fresh stubs, and every quick test
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(STUBS)/python proto/generate.py --check
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: .venv/.dev .venv-stubs/.made  ## the sweeps and whole-system tests that take minutes
	$(BIN)/python -m pytest -q -m slow

test-spark: .venv/.spark .venv-stubs/.made  ## the tests that need pyspark (450 MB) and Java 17
	$(BIN)/python -m pytest -q tests/unit/server/engines/spark

mutants: .venv/.dev  ## plant every privacy bug of docs/mutants.md, one at a time; a test must notice each
	$(BIN)/python -m tests.mutants

bench: .venv/.bench  ## timings against other implementations, also in build/bench (SUITES=crypto BACKEND=gmpy2)
	@mkdir -p build/bench
	@broken=0; for suite in $(SUITES); do out=build/bench/$$suite$(BACKEND:%=-%); \
		$(BIN)/cotally bench $$suite -o json $(BACKEND:%=--backend %) --plot $$out.png | tee $$out.partial \
			|| { [ $$? -ne 130 ] || exit 130; broken=1; }; mv $$out.partial $$out.jsonl; done; exit $$broken

lock:  ## resolve requirements/*.txt again from pyproject.toml (needs uv on the PATH)
	uv pip compile pyproject.toml --extra all --extra interop --group dev $(LOCK) --upgrade \
		-o requirements/dev.txt
	uv pip compile pyproject.toml --extra all --group build -c requirements/dev.txt $(LOCK) \
		--upgrade -o requirements/runtime.txt
	uv pip compile --group bench -c requirements/runtime.txt $(LOCK) --upgrade -o requirements/bench.txt
	uv pip compile pyproject.toml --extra spark -c requirements/dev.txt $(LOCK) --upgrade \
		-o requirements/spark.txt
	uv pip compile --group stubs $(LOCK) --upgrade -o requirements/stubs.txt

stubs: .venv-stubs/.made  ## generate proto/cotally/v1/*_pb2* again from the .proto files
	$(STUBS)/python proto/generate.py

clean:  ## remove everything that the other targets made
	rm -rf .venv .venv-stubs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(KERNEL:.c=.so) \
		build/bench
	find proto server client tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Stamps, so that nothing is installed twice. pip refuses -e under --require-hashes: first the lock,
# then the project itself, without dependencies. A stamp appears only after everything worked.
.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "cotally needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements/runtime.txt pyproject.toml hatch_build.py $(KERNEL) | .venv/bin/python
	$(BIN)/$(PIP) --require-hashes -r requirements/runtime.txt
	$(BIN)/$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime
	$(BIN)/$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# A peer that has no wheel here leaves its rows missing; nothing is built from source for it.
.venv/.bench: requirements/bench.txt .venv/.runtime
	@$(BIN)/$(PIP) --require-hashes --only-binary :all: -r $< && touch $@ \
		|| echo "some peers cannot be installed; their rows will be missing" >&2
.venv/.spark: requirements/spark.txt .venv/.dev
	$(BIN)/$(PIP) --require-hashes -r requirements/spark.txt
	@touch $@

.venv-stubs/.made: requirements/stubs.txt
	@[ -n "$(PYTHON)" ] || { echo "cotally needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv-stubs
	$(STUBS)/$(PIP) --require-hashes -r requirements/stubs.txt
	@touch $@
