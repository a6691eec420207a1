# make lab    sets everything up and opens the course
# make test   sets everything up and runs all tests
# make help   the rest

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAB_OPTIONS ?= $(if $(filter 0,$(shell id -u)),--allow-root)
PIP_OPTIONS ?=
EXTRAS ?= course,test
PYTEST_OPTIONS ?=
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

# Keep freed memory for the next training step (glibc only; `fit` asks for the same at run time).
export MALLOC_MMAP_THRESHOLD_ = 2147483647
export MALLOC_TRIM_THRESHOLD_ = 2147483647

.PHONY: help lab test notebooks slides site handout lint format doctor bench lowest pins release clean

help:
	@echo "make lab        open the course in JupyterLab (sets everything up first)"
	@echo "make test       run every test, the notebooks among them"
	@echo "make doctor     say what works on this machine, and what to do about what does not"
	@echo "make notebooks  run every notebook from top to bottom and keep its outputs"
	@echo "make slides     turn every notebook into slides that need no network (asks for npm once)"
	@echo "make site       the course as a web site of static files, in the folder site"
	@echo "make handout    write the notebooks without solutions and outputs, for students"
	@echo "make lint       check style, import order and types; make format corrects the style"
	@echo "make bench      measure training and drawing speed"
	@echo "make lowest     run the tests of the package with the oldest versions it allows"
	@echo "make pins       renew constraints.txt from pyproject.toml (needs uv)"
	@echo "make release    build the package, the site, the decks and the hand-outs, in dist"
	@echo "make clean      remove the environment and the slides; runs and hand-outs stay"

# Trusted notebooks show their saved sliders before any cell is run. With the course's settings, the
# glossary is shown, not edited, when a link to it is followed.
LAB_SETTINGS := $(VENV)/share/jupyter/lab/settings/overrides.d
lab: $(READY)
	@mkdir -p $(LAB_SETTINGS) && cp jupyterlab.json $(LAB_SETTINGS)/course.json
	@$(BIN)/jupyter trust $(NOTEBOOKS) >/dev/null
	$(BIN)/jupyter lab $(LAB_OPTIONS) --ServerApp.root_dir=. notebooks/00_start_here.ipynb

test: $(READY)
	$(BIN)/python -m pytest --nbval $(PYTEST_OPTIONS)

doctor: $(READY)
	$(BIN)/python -m dvae_helpers doctor

bench: $(READY)
	$(BIN)/python -m dvae_helpers bench

notebooks: $(READY)
	DVAE_PROGRESS=off $(BIN)/jupyter nbconvert --to notebook --execute --inplace $(NOTEBOOKS)

slides: $(READY)
	$(BIN)/python -m dvae_helpers slides --pdf

site: $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_OPTIONS) -c constraints.txt -e '.[site]'
	$(BIN)/python -m dvae_helpers site

handout: $(READY)
	$(BIN)/python -m dvae_helpers handout

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Another Python: make lowest PYTHON=python3.12
lowest:
	.ci/lowest $(PYTHON)

pins:
	.ci/pins

release: $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_OPTIONS) -c constraints.txt -e '.[course,site]'
	.ci/release

# What a student made (runs, handout) is left alone.
clean:
	rm -rf $(VENV) .venv-lowest slides site build dist

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "The course needs Python 3.11 or newer; give it as: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
