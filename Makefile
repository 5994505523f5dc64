SHELL := bash
# The Node of package.json lies in node_modules/.bin: every command here uses it, whatever the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help
help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

.PHONY: setup
setup: ## fetch what package-lock.json names; all others do this first
	@tools/setup.sh

.PHONY: verify
verify: setup ## generated files, format, types, lint, direction, dead code, unit tests: about a minute
	@node tools/verify.ts

.PHONY: test
test: setup ## verify, and every suite on real control planes: about half an hour
	@node tools/test-all.ts

.PHONY: demo
demo: setup ## a hub and three provider clusters run the jobs of crds/examples; ONCE=1 ends when they are done
	@node test/demo.ts

.PHONY: bench
bench: setup ## how fast it is, as one line of JSON; NAME=engine
	@node test/bench/main.ts $(or $(NAME),engine)

.PHONY: chaos
chaos: setup ## hub and agents killed again and again under load, about a minute a run; RUNS=50 SEED=7
	@node test/chaos/main.ts --runs $(or $(RUNS),50) $(if $(SEED),--seed $(SEED))

.PHONY: clean
clean: ## remove what was made in this folder; the tools in the cache stay
	rm -rf node_modules dist .federation .results
