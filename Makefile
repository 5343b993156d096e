# `make demo` and `make test` set up .venv by themselves; nothing else is needed but Python 3.11
# to 3.13, make, git and a package index.
PYTHON ?= python3
BIN := .venv/bin
SEED ?= 0
CORES ?= all
WORKERS ?= 2
TESTS ?= # files or folders of tests; the package's where not given
LOCK := envs/requirements.lock

.PHONY: demo ped2 test test-workflow test-faults test-slurm test-wheel bench fuzz gpu-check growth lint format lock wheel docs tutorial clean

demo: $(BIN)/.installed
	$(BIN)/snakemake --cores $(CORES) --quiet rules --config seed=$(SEED) -- results/demo/report.html
	@$(BIN)/ssmtl show results/demo/models/best/seed$(SEED)/metrics.json
	@echo "report: results/demo/report.html"

# The released models on the test clips in data/ped2: nothing is trained.
ped2: $(BIN)/.installed
	$(BIN)/snakemake --cores $(CORES) --quiet rules -- results/ped2_released/report.html
	@$(BIN)/ssmtl show --borders results/ped2_released/models/*/seed*/metrics.json
	@echo "report: results/ped2_released/report.html"

# A file's tests stay together, since they share what they have built.
test: $(BIN)/.installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

# Whole runs of Snakemake on a small project, and the pages in a browser.
test-workflow: $(BIN)/.installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  tests/workflow tests/browser

# Some writes, renames and new folders of every stage, and of watch, fail once; FAULTS=all: each of
# them. Needs strace.
test-faults: $(BIN)/.installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -rP tests/faults

# As root, where Debian's slurm-wlm and munge are installed: a cluster of this one machine.
test-slurm: $(BIN)/.installed
	$(BIN)/python -m pytest -o faulthandler_timeout=2400 tests/slurm

# BENCH="--stages cubes --device cpu --scale 0.2": see benchmarks/bench.py --help.
bench: $(BIN)/.installed
	$(BIN)/python benchmarks/bench.py $(BENCH)

# Broken files of every kind, pictures and video; longer with SECONDS=3600 FUZZ="--seconds 3600".
# What fails is kept in fuzz-failures/.
SECONDS ?= 120
fuzz: $(BIN)/.installed
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(SECONDS)
	$(BIN)/python benchmarks/fuzz_media.py $(FUZZ) 2>/dev/null

# The bars of speed on a GPU; GPU_CHECK="--device cpu" runs the same, smaller, without one.
gpu-check:
	PYTHONPATH=workflow $(or $(wildcard $(BIN)/python),$(PYTHON)) benchmarks/gpu_check.py $(GPU_CHECK)

# Time and memory over 16 times longer and fuller clips; fails where memory grows.
growth: $(BIN)/.installed
	$(BIN)/python benchmarks/growth.py --figure docs/growth.svg $(GROWTH)

# Style, security, spelling, the walls between the folders of the package, and types.
lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: $(BIN)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# The newest versions that pyproject.toml and requirements.in allow, but for those that the lock has
# already: LOCK_OPTIONS=--upgrade renews these too. One lock serves Python 3.11 to 3.13.
lock: $(BIN)/.installed
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --generate-hashes --all-extras --override envs/overrides.txt $(LOCK_OPTIONS) \
	  pyproject.toml envs/requirements.in --output-file $(LOCK)
	$(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-unknown-linux-gnu \
	  --no-header --no-annotate --extra slurm --constraint $(LOCK) \
	  pyproject.toml envs/requirements.in --output-file envs/conda.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --generate-hashes $(LOCK_OPTIONS) envs/docs.in --output-file envs/docs.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --generate-hashes --override envs/overrides.txt --override envs/no-torch.txt \
	  --constraint $(LOCK) pyproject.toml envs/no-torch.in --output-file envs/without-torch.lock

# The wheel in a new environment, far from the checkout: see tests/wheel.
wheel: $(BIN)/.installed
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --wheel-dir dist .

test-wheel: $(BIN)/.installed
	$(BIN)/python -m pytest tests/wheel

# The lock is complete, so pip resolves nothing. A changed lock updates the environment.
$(BIN)/.installed: $(LOCK) pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	touch $@

# The site, strictly, in an environment of its own; then that it needs no network.
DOCS := .venv-docs/bin

docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/mkdocs build --strict --quiet
	$(DOCS)/python tests/docs/offline.py site

$(DOCS)/.installed: envs/docs.lock
	test -x $(DOCS)/python || $(PYTHON) -m venv .venv-docs
	$(DOCS)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r envs/docs.lock
	touch $@

# The pictures of docs/tutorial.md, from the demo with its released model.
tutorial: $(BIN)/.installed
	$(BIN)/snakemake --cores $(CORES) --quiet rules -- results/demo_released/report.html
	$(BIN)/python docs/tutorial/draw.py results/demo_released docs/tutorial

clean:
	rm -rf results .snakemake
