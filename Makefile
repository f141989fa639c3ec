# Every target sets up what it needs, once, in a virtual environment of its own (.venv).
# Windows without make, and conda: see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help reproduce test lab check notebooks browser slow clean

help:  ## Say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + "; say make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --disable-pip-version-check -q -e .
	touch $@

$(VENV)/.lab: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --disable-pip-version-check -q -e ".[lab]"
	touch $@ $(VENV)/.core

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --disable-pip-version-check -q -e ".[lab,export,video,dev]"
	touch $@ $(VENV)/.lab $(VENV)/.core

reproduce: $(VENV)/.core  ## Train the four rows on drawn streets (at most 10 minutes on 2 cores), table and figures
	$(BIN)/dsrl-lab reproduce

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest

lab: $(VENV)/.lab  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

check: $(VENV)/.dev  ## Lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: $(VENV)/.dev  ## Execute every notebook, as a reader would
	$(BIN)/python -m pytest -m notebooks

browser: $(VENV)/.dev  ## Touch the widgets' pages in Chromium (Debian's package chromium)
	$(BIN)/python -m pytest -m browser

slow: $(VENV)/.dev  ## Check what takes long or needs real data (DSRL_LAB_DATA)
	$(BIN)/python -m pytest -m slow

clean:  ## Remove the virtual environment and caches; runs and data stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache *.egg-info
