# make lab   JupyterLab on the quickstart          make test   what is checked, of long rows of cases a part; make test-all   every case (hours)
# make export   notebooks -> ganlab/, README.md    make docs   the site (needs Quarto)    make preview   the site by pandoc    make clean
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip
META   := pyproject.toml settings.ini setup.py constraints.txt

.PHONY: lab test test-all export docs preview clean
.DELETE_ON_ERROR:
# npm installs beside pip; several goals come one after the other
MAKEFLAGS += $(if $(word 2,$(MAKECMDGOALS)),,--jobs=2)

# A stamp per extra: a second `make` installs nothing unless the metadata changed.
# torch comes first and alone, so that a CPU build that pip is told of wins over the default one.
# pip compiles on one core, so compileall does it: torch while pip installs the rest, and then, on all cores, what most processes import.
$(VENV)/.lab $(VENV)/.dev: $(VENV)/.%: $(META) | $(BIN)/python
	@echo 'installing ganlab[$*] into $(VENV): minutes the first time, nothing after that'
	$(PIP) install -q --no-compile torch -c constraints.txt
	$(BIN)/python -m compileall -q -x '/test(s|ing)?/' $(VENV)/lib/python3*/site-packages/torch >/dev/null 2>&1 & torch=$$!; \
	$(PIP) install -q --no-compile -e '.[$*]' -c constraints.txt; done=$$?; kill $$torch 2>/dev/null; exit $$done
	@$(BIN)/python -m compileall -q -j 0 -x '/test(s|ing)?/|/site-packages/(torch|torchvision|spacy|thinc|sqlalchemy|debugpy|beartype|fontTools|networkx|narwhals|pip|setuptools|ghapi|mlflow|onnx|pygments/lexers)/' $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

# Some systems ship venv without pip; the second line puts it in from outside.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ganlab needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }

# On a copy of the quickstart, quickstart.ipynb, so that your clone stays clean. More options: make lab LAB='--port 9999 --ip 0.0.0.0'
lab: $(VENV)/.lab
	@exec $(BIN)/ganlab lab $(LAB)

# What formats and checks the .js and .css files. Without Node their tests are skipped; in CI its absence is a failure.
node_modules/.package-lock.json: package.json package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund && touch $@; else echo 'no npm: the checks of .js and .css files are skipped'; fi

# make test TESTS=tests/test_site.py runs a part
test: $(VENV)/.dev node_modules/.package-lock.json
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto $(TESTS)

# Every trick on every network, soaks of thousands of switches, hundreds of kills: after a change of what all of them stand on
test-all: $(VENV)/.dev node_modules/.package-lock.json
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m 'slow or not slow' --timeout 7200 $(TESTS)

export: $(VENV)/.dev
	$(BIN)/nbdev-export
	$(BIN)/nbdev-clean
	$(BIN)/python tools/readme.py
	$(BIN)/python tools/copies.py

docs: $(VENV)/.dev
	@command -v quarto >/dev/null || { echo 'make docs needs Quarto, which no Python package brings: see https://quarto.org/docs/get-started'; exit 1; }
	$(BIN)/python tools/sidebar.py
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH="$(CURDIR)/tools" nbdev-docs --n-workers 0

# The site without Quarto, into _docs: pages made by pandoc, without Quarto's theme and search
preview: $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/preview.py _docs

clean:
	rm -rf _docs _proc build dist *.egg-info .pytest_cache node_modules nbs/nbdev.yml nbs/sidebar.yml
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
