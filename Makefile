# Every target sets up what it needs, once, in a virtual environment of its own (.venv).
# LOCK=1 takes the exact versions of requirements.lock, which the tests ran with, into a new .venv.
# Windows without make, and conda: see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --disable-pip-version-check -q $(if $(LOCK),-c requirements.lock)
PACKAGES := site/node_modules/.package-lock.json
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help reproduce test lab check notebooks site browser slow classroom wheel lock clean

help:  ## Say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + "; say make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml
	$(INSTALL) -e .
	touch $@

$(VENV)/.lab: $(VENV)/.made pyproject.toml
	$(INSTALL) -e ".[lab]"
	touch $@ $(VENV)/.core

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(INSTALL) -e ".[lab,export,video,dev]"
	$(INSTALL) --no-deps cityscapesscripts pyquaternion appdirs  # the official score, without its windows
	touch $@ $(VENV)/.lab $(VENV)/.core

reproduce: $(VENV)/.core  ## What resolution is worth, and what DSRL recovers of it (at most 10 minutes on 2 cores)
	$(BIN)/dsrl-lab reproduce --resume

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

lab: $(VENV)/.lab  ## Open the notebooks in JupyterLab
	@echo "JupyterLab opens notebooks/00_start_here.ipynb; if no browser appears, open the address with a token that it prints here."
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

check: $(VENV)/.dev  ## Lint, format, types, import layers, notebooks in step with their sources and translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dsrl-lab notebooks check

notebooks: $(VENV)/.dev  ## Execute every notebook, as a reader would
	$(BIN)/python -m pytest -n logical --maxprocesses 2 --dist load -m notebooks

$(PACKAGES): site/package.json site/package-lock.json
	npm ci --prefix site --ignore-scripts --no-audit --no-fund

site: $(VENV)/.dev $(PACKAGES)  ## Build the site into build/site: your own picture, widgets, notebooks, results (needs npm)
	$(BIN)/python site/build.py

browser: $(VENV)/.dev $(if $(shell command -v npm),$(PACKAGES))  ## Touch widgets and site in Chromium (Debian's package chromium)
	$(BIN)/python -m pytest -m browser

slow: $(VENV)/.dev .venv-class/.made  ## Check what takes long or needs real data (DSRL_LAB_DATA)
	$(BIN)/python -m pytest -m slow
	PATH="$(CURDIR)/.venv-class/bin:$$PATH" JUPYTER_PATH="$(CURDIR)/$(VENV)/share/jupyter" .venv-class/bin/python -m pytest -m slow tests/course/grading

# nbgrader slows JupyterLab's start and adds menus, so it lives beside .venv, whose packages it sees.
.venv-class/.made: $(VENV)/.dev
	$(BIN)/python -m venv --without-pip .venv-class
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(.venv-class/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	.venv-class/bin/python -m pip install --disable-pip-version-check -q "nbgrader>=0.9.5"
	.venv-class/bin/python -m pip install --disable-pip-version-check -q --no-deps -e .
	touch $@

classroom: .venv-class/.made  ## Test the classroom with nbgrader and the sandbox (bubblewrap), hostile submissions included
	PATH="$(CURDIR)/.venv-class/bin:$$PATH" JUPYTER_PATH="$(CURDIR)/$(VENV)/share/jupyter" .venv-class/bin/python -m pytest -n logical --maxprocesses 2 --dist worksteal -m classroom tests/course/grading

wheel: $(VENV)/.dev  ## Build the wheel and try it in an environment of its own
	$(BIN)/python -m pytest -m wheel tests/test_wheel.py

lock: $(VENV)/.dev  ## Write requirements.lock again, of the newest versions that fit (Linux, macOS, Windows; Python 3.11 to 3.13)
	$(INSTALL) "uv>=0.8"
	$(BIN)/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" \
		--extra lab --extra export --extra video --extra dev -q -o requirements.lock

clean:  ## Remove the virtual environments, the built site and caches; runs and data stay
	rm -rf $(VENV) .venv-class build/site site/node_modules .pytest_cache .ruff_cache .mypy_cache .import_linter_cache *.egg-info
