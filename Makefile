# Needs python3 (3.11 or later) and make; every environment goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := bin/python -m pip -qq --disable-pip-version-check --no-input install --progress-bar off
PIP := $(VENV)/$(INSTALL)

.PHONY: demo test test-slow test-minimal lint bench faults examples lock licences sbom audit clean

demo: $(VENV)/core.stamp
	$(BIN)/knuckle demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m slow

# The lowest versions that pyproject.toml allows, in an environment of their own. Left out: what draws a browser, trains
# for minutes, or compares with tools that only developers have (docs/supply.md).
MINIMAL := tests/data tests/sources tests/evaluation tests/viewer \
  $(filter-out tests/test_faults.py tests/test_cli_adapting.py tests/test_cli_stopping.py,$(wildcard tests/test_*.py))
test-minimal: $(VENV)/minimal/stamp
	$(VENV)/minimal/bin/python -m pytest -m "not slow" -o filterwarnings= -p no:warnings \
	  --ignore tests/viewer/test_page_in_a_browser.py $(MINIMAL)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# real_frames.py and sensor_noise.py need depth frames that are not part of the project, viewing.py a Chromium; the
# others need nothing.
REAL := $(if $(wildcard $(or $(KNUCKLE_SHARED_DATA),../shared/data)/frames),real_frames sensor_noise)
BENCHMARKS := latency synth scale checksums accuracy clutter restoration importing tracking viewing quantisation $(REAL)

bench: $(VENV)/dev.stamp
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

# Kills every long job at random, and compares what the resumed one leaves: half an hour and more.
faults: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/faults.py --kills 200

# What the JavaScript example needs. Its install script would fetch libraries for GPUs, which it does not use.
examples:
	cd examples/javascript && npm ci --ignore-scripts --no-audit --no-fund

# Supply: versions, licences and known faults of what knuckle needs (docs/supply.md).
lock: $(VENV)/dev.stamp
	$(BIN)/python tools/constraints.py > constraints.txt

licences: $(VENV)/dev.stamp
	$(BIN)/python tools/licences.py

# One of what users of the core install, one of everything.
sbom: $(VENV)/audit.stamp $(VENV)/dev.stamp $(VENV)/runtime/stamp
	@mkdir -p dist
	@set -e; for name in runtime .; do \
	  $(VENV)/audit/bin/cyclonedx-py environment $(VENV)/$$name/bin/python --pyproject pyproject.toml --output-reproducible \
	    -o dist/sbom$$(echo -$$name | sed 's/-\.//').cdx.json; done

# Asks a database of advisories on the network.
audit: $(VENV)/audit.stamp
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt

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

$(VENV)/dev.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --editable '.[train,dev]'
	@touch $@ $(VENV)/core.stamp

$(VENV)/minimal/stamp: $(VENV)/dev.stamp pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)/minimal
	$(BIN)/python tools/minimal_versions.py > $(VENV)/minimal/constraints.txt
	$(VENV)/minimal/$(INSTALL) --constraint $(VENV)/minimal/constraints.txt --editable '.[train,view,ros,distributed,test]'
	@touch $@

# What users install, and nothing of ours beside it: what the list of parts describes.
$(VENV)/runtime/stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)/runtime
	$(VENV)/runtime/$(INSTALL) --constraint constraints.txt '.'
	@touch $@

$(VENV)/audit.stamp: $(VENV)/python.stamp
	$(PYTHON) -m venv --clear $(VENV)/audit
	$(VENV)/audit/$(INSTALL) 'cyclonedx-bom>=7' 'pip-audit>=2.9'
	@touch $@
