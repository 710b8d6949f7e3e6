# Everything a newcomer needs: `make demo` and `make test`. They set up .venv by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Every branch of what decides about money is tried.
MONEY_CORE := money plan decide ledger
MONEY_TESTS := money plan kernel reference ledger buckets facts decide bounds explain payouts correct rates old_books
# `make test` has tried them in many worlds; a few of those reach every branch.
FEWER := COMMISSION_WORLDS=30 COMMISSION_EXPLAINED_WORLDS=3 COMMISSION_EXPLAINED_CORRECTIONS=1

# Of these `make test` has samples.
SERIES := crash fuzz masses planted true_up year audit guard spark spark_lost spark_night reconcile \
	benchmarks portal_pages portal_api portal_browser portal_staff_browser

.PHONY: demo test series check bench bench-guard texts golden clean help

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(READY) ## a real shop's year: import, thirteen settlements, what came of it
	$(BIN)/python examples/demo.py

test: $(READY) ## all tests, with a real PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist worksteal

series: $(READY) ## long series of tests: kills, races, other outsides, fuzzing, planted bugs, Spark
	COMMISSION_SERIES=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(SERIES:%=tests/test_%.py)

check: $(READY) ## ruff, mypy --strict, coverage of the money core, instruction counts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(FEWER) $(BIN)/python -m pytest -n 2 --dist worksteal --cov-branch --cov-report=term-missing:skip-covered \
		--cov-fail-under=100 $(MONEY_CORE:%=--cov=commission_engine.%) $(MONEY_TESTS:%=tests/test_%.py) \
		-k "not every_interesting_state"
	$(BIN)/python benchmarks/guard.py

bench: $(READY) ## measure, for an hour or two; results belong into docs/benchmarks.md
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/compare.py 1000000 10000000 --only engine,limit,polars_lazy,duckdb_sql
	$(BIN)/python benchmarks/night.py 100000 1000000 --on postgresql --lines database segments
	$(BIN)/python benchmarks/night.py 100000 1000000 --on sqlite
	$(BIN)/python benchmarks/stages.py 100000 1000000
	$(BIN)/python benchmarks/importing.py
	$(BIN)/python benchmarks/point_read.py
	$(BIN)/python benchmarks/portal.py --on sqlite postgresql
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/statements.py

bench-guard: $(READY) ## count instructions (needs valgrind); fails at 10% more than stored
	$(BIN)/python benchmarks/guard.py

texts: $(READY) ## bring the texts of statements up to the source, compile them
	$(BIN)/python tests/catalogues.py

golden: $(READY) ## write tests/golden/expected anew, after a change that was meant
	$(BIN)/python tests/test_golden.py

clean: ## remove what was built here
	rm -rf $(VENV) out commission.db commission.db-wal commission.db-shm commission.db.lock
