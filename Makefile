# Everything that CI runs is a target here; nothing runs only there.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

# Where byte code is not written, each of the tests' processes compiles all that it loads, again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := check
.PHONY: check install demo test test-unit thorough lint fmt generate check-generated bench dist mutation picture packages fuzz clean

check: lint test

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The main job, end to end, on an embedded Temporal server. Asks nothing, leaves nothing.
demo: install
	@$(BIN)/stigmer-ops demo

packages:
	@.ci/install-debian-packages

# Unit tests compute: one process a core, and whoever is done takes over from the others. Tests against
# real servers mostly wait: more processes, each with whole files, whose fixtures are servers. The
# longest files are of end_to_end and stand early in it: the order is kept, so that they begin first.
UNIT    := $(PYTEST) tests/unit -n auto --dist worksteal
SERVERS := $(PYTEST) tests/end_to_end tests/integration tests/contract --dist loadfile --no-loadscope-reorder
JOBS    ?= 3

# Tests against real servers may meet a slow moment of the machine: one that fails is tried once more,
# and named as such in the summary.
test: install packages
	$(UNIT)
	$(SERVERS) -n $(JOBS) --reruns 1 -rR

test-unit: install
	$(UNIT)

# As `test-unit`, with 1,000 examples of each property, others each time. Takes minutes.
thorough: install
	$(UNIT) --hypothesis-profile thorough

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages and code that are written by a program from what the code declares.
generate: install
	$(BIN)/stigmer-ops alerts generate
	$(BIN)/stigmer-ops dashboards generate
	$(BIN)/python docs/generate.py
	$(BIN)/python -m stigmer_ops.stigmer.api.regenerate

check-generated: install
	$(BIN)/stigmer-ops alerts generate --check
	$(BIN)/stigmer-ops dashboards generate --check
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m stigmer_ops.stigmer.api.regenerate --check

# The README's pictures: the dashboard while things go wrong, a report, the live view. Takes minutes.
picture: install packages
	$(BIN)/python docs/picture.py
	PYTHONPATH=tests $(BIN)/python docs/report_picture.py
	$(BIN)/python docs/watch_picture.py

# Wheel and sdist: the same bytes from the same commit.
dist: install
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build

# Breaks each rule in every way, to see whether its tests notice. Takes minutes.
mutation: install packages
	$(BIN)/stigmer-ops alerts test --mutate --no-progress

# Looks for what readers of foreign content stumble over, five minutes for each: FUZZ="token plan".
fuzz: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ)

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
