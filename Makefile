# `make demo` and `make test` are each alone sufficient on a bare machine: Python 3.11 or newer, gcc,
# make and a package index are all they need. Everything goes into .venv and .demo.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
heading = @printf '\n== %s ==\n' "$(1)"

.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit soak fix install system man clean
# The steps of `test` stop at the first that fails, and their output stays in order.
.NOTPARALLEL:

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 16

demo: install ## upscale a photograph with the real daemon and its real model
	$(BIN)/python tests/tools/demo.py

test: system install lint types unit ## format, lint, types and the whole test suite

lint: install ## is everything formatted, and clean for the linter?
	$(call heading,format)
	$(BIN)/ruff format --check .
	$(call heading,lint)
	$(BIN)/ruff check .

types: install ## strict type check
	$(call heading,types)
	$(BIN)/mypy

unit: install
	$(call heading,tests)
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist worksteal --durations=10

soak: install ## the long torture runs that `make test` leaves out
	$(PYTEST) -m soak --timeout=0

fix: install ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

install: ## make .venv, or use it again
	@tests/tools/install "$(PYTHON)"

system: ## install what system tests need, where apt-get may
	@tests/tools/system-packages

man: install ## write docs/upscaled.1 anew from the commands
	$(BIN)/python -m upscaled.cli.manpage > docs/upscaled.1

clean: ## remove what was made here (models in your data folder stay)
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find daemon tests -name __pycache__ -prune -exec rm -rf {} +
