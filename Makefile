# Each target sets up .venv when pyproject.toml changed. Variables: DATA= WEIGHTS= OUTPUT= ARGS=
PYTHON ?= python3
WEIGHTS ?= weights/celeba64
OUTPUT ?= runs/$@
RUN := .venv/bin/python
STAMP := .venv/.installed

.PHONY: setup demo test check train eval bench smoke cluster-test
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(RUN) jobs/demo.py --weights $(WEIGHTS) --output $(OUTPUT) $(ARGS)

# Two processes of one thread; files stay whole, for their fixtures, in order: the longest are not the last.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP)
	$(RUN) -m ruff format --check faceinpaint jobs tests bench study
	$(RUN) -m ruff check faceinpaint jobs tests bench study
	$(RUN) -m mypy

train: $(STAMP)
	$(RUN) jobs/train.py --output $(OUTPUT) $(ARGS)

eval: $(STAMP)
	@test -n "$(DATA)" || { echo "name the pictures: make eval DATA=faces.parquet"; exit 2; }
	$(RUN) jobs/evaluate.py --data $(DATA) --weights $(WEIGHTS) --output $(OUTPUT) $(ARGS)

bench: $(STAMP)
	$(RUN) -m bench.run --weights $(WEIGHTS) $(ARGS)

cluster-test: $(STAMP)
	$(RUN) -m pytest -m cluster tests/cluster $(ARGS)

smoke: $(STAMP)
	$(RUN) -m pytest -m smoke -s tests/smoke $(ARGS)
