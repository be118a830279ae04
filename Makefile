# Every target does its own set-up in .venv and repeats it only when pyproject.toml changed.
#
#   make demo     train, export and check a small network (see README.md)
#   make test     linter, formatter, types and the whole suite
#   make lint     the first three of those
#   make bench    measure against other frameworks (see benchmarks/README.md)
#   make format   put the sources into shape
#   make clean    remove everything that was made
#
# PYTHON chooses the interpreter .venv is made from: make test PYTHON=python3.12

PYTHON ?= python3
JOBS   ?= 2

VENV   := .venv
RUN    := $(VENV)/bin/python
# One mark per set of extras, newer than pyproject.toml when that set is installed.
BASE   := $(VENV)/.installed-base
DEMO   := $(VENV)/.installed-demo
TEST   := $(VENV)/.installed-test

.DELETE_ON_ERROR:
.PHONY: demo test lint bench format clean

demo: $(DEMO)
	$(RUN) examples/digits.py

test: lint
	$(RUN) -m pytest -n $(JOBS)

lint: $(TEST)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(TEST)
	$(RUN) -m benchmarks

format: $(TEST)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) build dist demo-output *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find kgraph tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BASE): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "kgraph needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1 | tail -n 1)." >&2; \
	    echo "Name another one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	@touch $@

$(DEMO): $(BASE)
	$(RUN) -m pip install --quiet --editable '.[plot]'
	@touch $@

$(TEST): $(BASE)
	$(RUN) -m pip install --quiet --editable '.[plot,test,oracle]'
	@touch $@
