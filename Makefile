# PYTHON: the interpreter that `make setup` builds .venv with (3.11 to 3.13).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := reports/demo

.PHONY: setup demo test check format bench

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# Profile this machine quickly, search under a budget, verify the winners, draw the page, export the best network.
demo: setup
	rm -rf $(DEMO)
	$(BIN)/evit-nas profile --device host --quick
	$(BIN)/evit-nas search --budget 60ms --device host --out $(DEMO)
	best=$$(sed -n 2p $(DEMO)/pareto.csv | cut -d, -f2); \
	$(BIN)/evit-nas export $(DEMO)/$$best --format tflite,onnx,pt --out $(DEMO)/export
	@echo "open $(CURDIR)/$(DEMO)/report.html"

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done
