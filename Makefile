# ticklake: `make run` and `make test` do all their own set-up. `make help` lists the rest.
#
#   make run  [MINUTES=1] [PRODUCTS=BTC-USD,ETH-USD,SOL-USD] [FEED=auto|coinbase|simulated|FILE] [SPEED=1|N|max] [LAKE=DIR]
#   make test

MINUTES  ?= 1
FEED     ?= auto
PRODUCTS ?=
SPEED    ?=
LAKE     ?=

VENV   := .venv
STAMPS := $(VENV)/.stamps
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV     := env UV_HTTP_TIMEOUT=20 UV_HTTP_RETRIES=1 $(BIN)/uv pip install --quiet --python $(BIN)/python
# The newest interpreter on the path that is 3.11 or later.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# One more than there are cores: some tests wait for processes of their own.
WORKERS = $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)')

# Python keeps what it compiled, so that three test workers and a hundred started programs do not compile boto3 again each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check tests format bench chaos soak lock clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 18

run: $(STAMPS)/run  ## the main job, end to end on this machine (MINUTES, PRODUCTS, FEED, SPEED, LAKE)
	@$(BIN)/ticklake local --minutes $(MINUTES) --feed '$(FEED)' $(if $(PRODUCTS),--products '$(PRODUCTS)') \
		$(if $(SPEED),--speed $(SPEED)) $(if $(LAKE),--lake '$(LAKE)')

# Side by side: the checks keep one core busy while the tests wait for processes and sockets.
test: $(STAMPS)/test  ## everything that checks the project: format, lint, types, templates, tests
	@$(MAKE) --no-print-directory --jobs=2 check tests

check: $(STAMPS)/test  ## format, lint, types, templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/cfn-lint $(filter-out infra/prices.yaml,$(wildcard infra/*.yaml))

tests: $(STAMPS)/test  ## the tests that take seconds
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not slow' $(PYTEST_ARGS)

format: $(STAMPS)/test  ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: $(STAMPS)/test  ## the long fault runs
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

bench: $(STAMPS)/test  ## ratios against bare libraries, measured in one run (benchmarks/README.md)
	$(BIN)/python -m benchmarks

soak: $(STAMPS)/test  ## an hour at fifty times the market's pace: is memory flat, is anything lost (docs/soak.md)
	$(BIN)/python -m benchmarks.soak $(SOAK_ARGS)

lock: $(STAMPS)/uv  ## write requirements/*.lock anew from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --extra local \
		pyproject.toml requirements/build.in -o requirements/run.lock --custom-compile-command 'make lock'
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --extra local --extra test \
		pyproject.toml requirements/build.in -c requirements/run.lock -o requirements/test.lock --custom-compile-command 'make lock'
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
		pyproject.toml requirements/build.in -c requirements/run.lock -o requirements/producer.lock --custom-compile-command 'make lock'
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate \
		requirements/installer.in -o requirements/installer.lock --custom-compile-command 'make lock'

clean:  ## remove the virtual environment and caches (never a lake or a journal)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "ticklake needs Python 3.11 or later; none was found on the path. Install one, or say PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }

# uv installs what pip would in a sixth of the time: it reads no page of an index that the hashes have already decided.
# It may be absent (no wheel for this machine, an index that only pip is told of): then pip does it.
$(STAMPS)/uv: requirements/installer.lock | $(VENV)/bin/python
	@$(PIP) --no-compile --require-hashes -r $< && mkdir -p $(STAMPS) && touch $@

# uv does not read pip's settings: where pip was told of an index or of certificates, uv is told the same.
PIP_KNOWS = $$($(BIN)/python -m pip config get global.$(1) 2>/dev/null || true)
AS_PIP = index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$(call PIP_KNOWS,index-url)}}; certificates=$${SSL_CERT_FILE:-$${PIP_CERT:-$(call PIP_KNOWS,cert)}}; \
	{ [ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; }; { [ -z "$$certificates" ] || export SSL_CERT_FILE="$$certificates"; }

$(STAMPS)/%: requirements/%.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what requirements/$*.lock pins (once; less than a minute)"
	@{ $(MAKE) --no-print-directory $(STAMPS)/uv && $(AS_PIP) && $(UV) --require-hashes -r $< && $(UV) --no-deps --no-build-isolation -e .; } || { \
		echo "uv could not: pip does it (about a minute)" >&2; $(PIP) --no-compile --require-hashes -r $< && $(PIP) --no-deps --no-build-isolation -e .; }
	@mkdir -p $(STAMPS) && touch $@
