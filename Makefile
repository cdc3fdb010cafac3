# Every recipe is one script, so that each can be run by hand too. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= $(shell scripts/find_python.sh 3.11+)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
FUZZ_SECONDS ?= 60
SEEDS ?= 1000

.PHONY: help serve venv build test check bench parity conformance fuzz sanitize docs long chaos clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

serve: ## run a development server on 127.0.0.1:8080 (ARGS="--port 9000" adds flags)
	@scripts/venv.sh $(VENV) run "$(PYTHON)"
	@exec $(BIN)/longwire serve --dev --host 127.0.0.1 $(ARGS)

venv: ## create or refresh .venv with longwire (editable) and the development tools
	@scripts/venv.sh $(VENV) dev "$(PYTHON)"

build: venv ## compile the extensions in place again if a source changed

test: venv ## run every test: 3.11 compiled, 3.13, and the pure build
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test.sh $(ARGS)

check: venv ## lint, types, import rules and the fast tests, in under two minutes
	@scripts/check.sh

bench: venv ## run the benchmarks
	@scripts/bench.sh $(ARGS)

parity: venv ## our TCP beside Linux's over the same links (root, about half an hour)
	@$(BIN)/python -m bench.parity $(ARGS)

conformance: venv ## Autobahn|Testsuite, all 517 cases, server and client
	@scripts/conformance.sh $(ARGS)

fuzz: venv ## coverage-guided fuzzing, FUZZ_SECONDS for each harness
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(ARGS)

sanitize: venv ## the compiled modules under AddressSanitizer (gcc)
	@scripts/sanitize.sh $(ARGS)

docs: venv ## write the generated pages of docs/ anew
	@scripts/docs.sh

long: venv ## what takes longer than `make test` allows; output goes to docs/evidence/
	@scripts/long.sh $(ARGS)

chaos: venv ## our server, stores and clients under faults, over SEEDS seeds in virtual time
	@LONGWIRE_CHAOS_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q -n 2 tests/integration/simulation/test_chaos.py

clean: ## remove everything that the other targets made
	@scripts/clean.sh
