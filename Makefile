# Two commands do everything: `make serve` and `make test`. Each sets up what it needs in .venv.

PYTHON ?= python3
BIN := .venv/bin
CORES := $(shell nproc 2>/dev/null || echo 2)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Otherwise each of the tests' thousand processes compiles all that is ours anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve dev test quick durations coverage mutants soak format check docs image bench clean lock help
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

serve: .venv/run.stamp .venv/pages.stamp ## set up and serve at http://127.0.0.1:8000
	@exec $(BIN)/mezzotint serve

dev: .venv/dev.stamp .venv/pages.stamp ## serve with one worker, in debug, anew whenever the code changes
	@DJANGO_DEBUG=true MEZZOTINT_LOG_LEVEL=debug MEZZOTINT_WORKERS=1 \
	    $(BIN)/watchfiles --filter python --sigint-timeout 15 '$(BIN)/mezzotint serve' src

test: .venv/dev.stamp .venv/pages.stamp .tools/viewers/tify.js ## all tests; servers that the machine has are started for them
	@$(BIN)/pytest -n auto

quick: .venv/dev.stamp ## what needs no server and no process, in under a minute: after each change
	@$(BIN)/pytest -q -n $(CORES) --quick

durations: .venv/dev.stamp ## all tests, and what each file took is written down for the order of later runs
	@$(BIN)/pytest -n auto --keep-durations

coverage: export COVERAGE_FILE = $(CURDIR)/.coverage
coverage: .venv/dev.stamp ## all tests with lines and branches counted, in every process; htmlcov/index.html
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n auto; status=$$?; \
	    $(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report; exit $$status

mutants: .venv/dev.stamp ## mutation testing of the pure rooms, in mutants/
	@$(BIN)/mutmut run --max-children $(CORES)
	@$(BIN)/mutmut results

soak: .venv/dev.stamp ## a long random run with kill -9: MINUTES=5 SEED=... STORE=directory|swift|s3, WEATHER=1, or SETUP=full
	@$(BIN)/python -m $(if $(SETUP),tests.deployed.soak,tests.durability.soak --store $(or $(STORE),directory)) \
	    --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(if $(WEATHER),--weather)

format: .venv/dev.stamp ## put into the one form, with what can be mended by itself
	@$(BIN)/ruff check --fix-only --quiet src tests bench
	@$(BIN)/ruff format --quiet src tests bench

check: export MEZZOTINT_DATA = .venv/check
check: .venv/dev.stamp ## lint, types, who may import whom, docs held to settings
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/ruff check src tests bench
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/mezzotint manage makemigrations --check --dry-run
	@$(BIN)/pytest -q tests/test_docs.py tests/test_house.py

docs: .venv/dev.stamp .venv/pages.stamp ## the documentation as a site, in build/docs; DOCS=serve shows it, PICTURES=new takes README's anew
	@test -f docs/pictures/front.webp -a -z "$(PICTURES)" || $(BIN)/python -m bench.showing
	@$(BIN)/mkdocs $(or $(DOCS),build) --quiet

image: ## the container image, by buildah where there is no Docker; needs root
	@deploy/build-image.sh

bench: .venv/dev.stamp ## ratios against floors and peers
	@$(BIN)/python -m bench

clean: ## away with .venv and caches; data/ stays
	rm -rf .venv .documents .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench/work mutants htmlcov build .coverage*

lock: ## lock the newest versions that fit, with hashes
	@$(PYTHON) -m pip install --quiet uv
	uv pip compile --upgrade --generate-hashes --universal --python-version 3.11 --quiet --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links pyproject.toml requirements/build.in -o requirements/run.txt
	uv pip compile --upgrade --generate-hashes --universal --python-version 3.11 --quiet --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links requirements/dev.in -o requirements/dev.txt

.venv/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Mezzotint needs Python 3.11 or later; PYTHON=... names another one" >&2; exit 1; }
	@echo "making .venv"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/run.stamp: requirements/run.txt pyproject.toml | .venv/venv.stamp
	@echo "installing what Mezzotint runs on"
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/pages.stamp: frontend/package-lock.json frontend/install.sh | .venv/venv.stamp
	@echo "installing what its pages are made with"
	@frontend/install.sh $(BIN)/python && touch $@ || \
	    echo "they go without it, so nobody can zoom: no npm package could be had; the next make tries again" >&2

.tools/viewers/tify.js: frontend/viewers/package-lock.json | .venv/venv.stamp
	@echo "installing the viewers that manifests are opened with"
	@frontend/viewers/install.sh $(BIN)/python || \
	    echo "no npm package could be had: the tests that open manifests in viewers are skipped" >&2

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	@echo "installing what it is tested with"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
