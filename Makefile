# Needs python3.11 or later, git and make. Everything else goes into .venv; see CONTRIBUTING.md.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= data
VIEWER := $(DATA)/viewer/.tried
# In their own order: by number of tests the few that kill servers, and take minutes each, would come last, beside nothing.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
SOAK_MINUTES ?= 30

.DEFAULT_GOAL := help
.PHONY: help setup serve test soak coverage check bench conformance monitoring sbom audit lock peers clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*##/\1	/p' Makefile

setup: $(VENV)/.dev $(VIEWER)  ## install everything that developing needs, into .venv, and the full viewer where npm is there

serve: $(VENV)/.runtime $(VIEWER)  ## start the archive on loopback, with demo studies when it is empty
	@$(BIN)/archimage demo --if-empty --data $(DATA)
	@exec $(BIN)/archimage serve --data $(DATA)

# The soak measures, so it runs alone, after the others; a part of the suite is run without it.
test: $(VENV)/.dev peers  ## run the whole suite, then the soak of five minutes
	$(COMPILE) src tests
	$(BIN)/pytest $(PYTEST_ARGS)
	$(if $(filter file,$(origin PYTEST_ARGS)),$(BIN)/pytest tests/soak/test_soak.py)

soak: $(VENV)/.dev  ## hold a server at 80 % of what it can do for half an hour
	$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES)

coverage: $(VENV)/.dev peers  ## run the whole suite and tell what of the code it reaches, child processes included
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS); status=$$?; $(BIN)/coverage combine --quiet; \
		$(BIN)/coverage report && $(BIN)/coverage report --include='*/protocol/*,*/dicom/scan.py' --fail-under=100 && exit $$status

check: $(VENV)/.dev  ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev peers  ## compare speed and memory with other archives
	$(BIN)/python -m bench

conformance: $(VENV)/.dev  ## write CONFORMANCE.md anew, from the tables that the server runs on
	$(BIN)/python -m scripts.conformance

monitoring: $(VENV)/.dev  ## write docs/metrics.md, docs/concurrency.md, the dashboard and the alert rules anew, from their tables
	$(BIN)/python -m scripts.monitoring

sbom: $(VENV)/.dev  ## write the bill of materials of what is needed at run time, dist/sbom.cdx.json
	$(BIN)/python -m scripts.sbom dist/sbom.cdx.json

# Where the service is not reached (69), nothing was checked, which is said, and what comes after goes on.
audit: $(VENV)/.dev  ## look up whether vulnerabilities are known of what is needed at run time
	$(BIN)/python -m scripts.audit || test $$? -eq 69

lock: $(VENV)/.tools  ## renew the locked dependencies
	for lock in "requirements/tools.in -o requirements/tools.lock" \
		"pyproject.toml -o requirements/runtime.lock" \
		"pyproject.toml --extra tracing --group dev -c requirements/runtime.lock -o requirements/dev.lock"; do \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header $$lock || exit 1; done

peers:  ## install the real peers that the tests and the bench talk to
	@bash scripts/install_peers.sh

clean:  ## remove the environment and what tools leave; never the archive's data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is made once, and again when what it stands for changed.
UV_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python
# Where the environment keeps Python from writing bytecode, every start would compile all of ours anew, a third of its time.
COMPILE = $(BIN)/python -m compileall -q

$(VENV)/.tools: requirements/tools.lock
	@test -n "$(PYTHON)" || { echo "archimage needs Python 3.11 or later, and none was found on PATH" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/tools.lock
	@touch $@

$(VENV)/.runtime: $(VENV)/.tools requirements/runtime.lock pyproject.toml src/archimage/__init__.py
	$(UV_INSTALL) --compile-bytecode --require-hashes -r requirements/runtime.lock
	$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	$(COMPILE) src
	@touch $@

# Without npm, or without its registry, one line says how to do it later; nobody waits for that a second time.
$(VIEWER): src/archimage/web/ohif/package.py src/archimage/web/ohif/adapting.py | $(VENV)/.runtime
	@$(BIN)/archimage viewer install --data $(DATA) || true
	@mkdir -p $(@D) && touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock
	$(UV_INSTALL) --compile-bytecode --require-hashes -r requirements/dev.lock
	@touch $@
