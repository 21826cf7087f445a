# Needs python3 (3.11 or later) and make; every environment goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input install --progress-bar off

.PHONY: demo test test-slow lint bench examples clean

demo: $(VENV)/core.stamp
	$(BIN)/knuckle demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# real_frames.py and sensor_noise.py need depth frames that are not part of the project, viewing.py a Chromium; the
# others need nothing.
REAL := $(if $(wildcard $(or $(KNUCKLE_SHARED_DATA),../shared/data)/frames),real_frames sensor_noise)
BENCHMARKS := latency synth scale resume accuracy restoration importing tracking viewing quantisation $(REAL)

bench: $(VENV)/dev.stamp
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

# What the JavaScript example needs. Its install script would fetch libraries for GPUs, which it does not use.
examples:
	cd examples/javascript && npm ci --ignore-scripts --no-audit --no-fund

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis examples/javascript/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says what is installed, and is older than pyproject.toml when that must be done again. The package is
# installed in place, so a change of the code needs nothing.
$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "knuckle needs Python 3.11 or later: set PYTHON=python3.x" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/core.stamp: $(VENV)/python.stamp pyproject.toml
	$(PIP) --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/python.stamp pyproject.toml
	$(PIP) --editable '.[train,dev]'
	@touch $@ $(VENV)/core.stamp
