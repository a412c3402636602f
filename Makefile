# make smollm2, make test: both from a fresh clone, with Python >= 3.11, make and git only.
PYTHON ?= python3
# A folder of workflow/profiles; its number of cores, if none is given here.
PROFILE ?= default
CORES ?=
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# One thread per process: the cores are used by jobs, and more threads slow small matrices down.
export OMP_NUM_THREADS ?= 1
# Images of Python often set it; then every process would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-15s %s\n", $$1, $$2}'

# A job of one thread each: two of them get through more tokens than one job of two threads.
ONE_THREAD := --set-threads $(foreach rule,stream_spectra measure_rows read_sentences \
	dump_hidden_states compute_information_gain,$(rule)=1)
RUN_SMOLLM2 = snakemake --directory smollm2 --workflow-profile workflow/profiles/$(PROFILE) \
	$(if $(CORES),--cores $(CORES)) $(ONE_THREAD) --

smollm2: .venv/installed ## ask a real language model, SmolLM2-135M, what the papers ask (CORES=2)
	$(RUN_SMOLLM2) all

# What the tests look at: tables and rows, and one draw of fresh weights of two starts.
SMOLLM2_PART = results/tables/smollm2_group_gaps.csv results/tables/smollm2_lasso_tokens.csv \
	results/rows/smollm2_135m/world_matched.npz \
	$(foreach weights,135m 135m_untrained_1 135m_untrained_1_start_0_02, \
	results/metrics/smollm2_$(weights)/documentation.summary.csv)

smollm2-part: .venv/installed ## of it, what the tests look at (2 minutes)
	$(RUN_SMOLLM2) $(SMOLLM2_PART)

miniature: .venv/installed ## rebuild every figure with small stand-in models, offline (CORES=2)
	snakemake --directory miniature --workflow-profile workflow/profiles/$(PROFILE) \
		$(if $(CORES),--cores $(CORES))

test: site miniature ## run the whole test suite (it looks at the site and the miniature figures)
	pytest -n auto --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 5

architectures: .venv/installed ## compare every architecture with transformers (a sample is in test)
	ARCHITECTURES=all pytest -n auto tests/models/test_architectures.py

sweep: .venv/installed ## run the tests of numbers with other kernels, threads, order and load
	python tests/sweep.py

# On a disk with 35 GB free.
FOLDER ?= rehearsal

rehearsal: .venv/installed ## run full-size commands on random weights of the real sizes (FOLDER=)
	PYTHONPATH=src python tests/rehearsal.py $(FOLDER)

rehearse-papers: .venv/installed ## run the commands for whole papers on small random models (FOLDER=)
	PYTHONPATH=src python tests/rehearsal.py $(FOLDER) --only papers

cluster-test: .venv/cluster ## run Liang's figures on a Slurm of two nodes that is made for it (root)
	pytest -m slurm -s tests/cluster

lint: .venv/installed ## check style, types and workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	snakemake --lint
	snakemake --lint --directory miniature
	snakemake --lint --directory smollm2

dry-run: .venv/installed ## plan every target at full size: no network, no weights
	snakemake -n --cores 8 --quiet
	snakemake -n --cores 8 --quiet --directory miniature
	snakemake -n --cores 8 --quiet --directory smollm2

site: .venv/installed ## build the documentation as a site (open site/index.html)
	PYTHONPATH=src NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

benchmark: .venv/installed smollm2-part ## measure speed against the released algorithm (minutes, one thread)
	set -e; for name in entropy eigenvalues forward information_gain distances end_to_end real_model memory estimate; do \
		PYTHONPATH=src:tests python tests/benchmarks/$$name.py; done

clean: ## remove what the scales miniature and smollm2 built
	rm -rf $(foreach scale,miniature smollm2,$(addprefix $(scale)/,results figures paper .snakemake))

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/cluster: .venv/installed envs/cluster.txt
	$(BIN)/python -m pip install --disable-pip-version-check -r envs/cluster.txt
	touch $@

.PHONY: help smollm2 smollm2-part miniature test architectures sweep rehearsal rehearse-papers cluster-test lint dry-run site benchmark clean
