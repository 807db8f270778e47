# Each target sets up .venv when pyproject.toml or constraints.txt changed.
# Variables: DATA= WEIGHTS= OUTPUT= ARGS=; PINS= (nothing) for the newest versions instead of those that were tested.
PYTHON ?= python3
WEIGHTS ?= weights/faces256
OUTPUT ?= runs/$@
PINS ?= --constraint constraints.txt
RUN := .venv/bin/python
STAMP := .venv/.installed
FAST := not slow and not smoke and not cluster
COVERAGE ?= --cov --cov-report=term:skip-covered

.PHONY: setup pins demo test test-fast test-lowest check docs train eval bench smoke cluster-test
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet $(PINS) --editable '.[dev]'
	touch $@

# After an upgrade (make setup PINS=) that passed the tests.
pins:
	echo '# What was tested last, on Python 3.11; torch names its CUDA libraries itself. Made by `make pins`.' > constraints.txt
	$(RUN) -m pip freeze --exclude-editable | grep -vE '^(nvidia|cuda|triton|faceinpaint)' >> constraints.txt

demo: $(STAMP)
	$(RUN) jobs/demo.py --weights $(WEIGHTS) --output $(OUTPUT) $(ARGS)

# Two processes of one thread; files stay whole, for their fixtures, in order: the longest are not the last.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(COVERAGE) $(ARGS)

# No Ray, no servers, no processes of seconds: for the inner loop.
test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile -m "$(FAST)" $(ARGS)

# The same at the lowest versions that pyproject.toml allows.
test-lowest: $(STAMP)
	$(RUN) -m uv venv --quiet --clear --python $(PYTHON) .venv-lowest
	$(RUN) -m uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --dist loadfile -m "$(FAST)" $(ARGS)

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet
	@echo "look at site/index.html"

check: $(STAMP)
	$(RUN) -m ruff format --check faceinpaint jobs tests bench study
	$(RUN) -m ruff check faceinpaint jobs tests bench study
	$(RUN) -m mypy

train: $(STAMP)
	$(RUN) jobs/train.py --output $(OUTPUT) $(ARGS)

eval: $(STAMP)
	@test -n "$(DATA)" || { echo "name the pictures: make eval DATA=faces.parquet"; exit 2; }
	$(RUN) jobs/evaluate.py --data $(DATA) --weights $(WEIGHTS) --output $(OUTPUT) $(ARGS)

# A quarter of an hour of a machine that does nothing else; then the documentation's tables.
bench: $(STAMP)
	$(RUN) -m bench.run $(ARGS)
	$(RUN) -m bench.pages

cluster-test: $(STAMP)
	$(RUN) -m pytest -m cluster tests/cluster $(ARGS)

smoke: $(STAMP)
	$(RUN) -m pytest -m smoke -s tests/smoke $(ARGS)
