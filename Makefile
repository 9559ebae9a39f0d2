# The README's two targets are `demo` and `test`; both do their own set-up.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1 - /p' Makefile

setup: $(STAMP) ## install everything into .venv (once, and when the requirements change)

# The stamp is written last, so that an installation that was interrupted is done again.
$(STAMP): requirements.txt requirements-local.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or later is needed; name one, as in: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements-local.txt
	@touch $@

demo: setup ## run the whole pipeline on this machine; EVENTS=FILE.csv.gz loads real event records
	$(RUN)/python manage.py demo $(if $(EVENTS),--events '$(EVENTS)')

test: setup ## run the tests; ARGS='-k name' are for pytest
	$(RUN)/python -m pytest $(ARGS)

lint: setup ## check style, types and migrations
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy backend manage.py
	@# Needs no database, but warns that it found none.
	DATABASE_URL=postgresql://127.0.0.1:1/none \
	  $(RUN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(RUN)/python manage.py check

clean: ## remove .venv and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
