# The commands of the project. `make help` lists them.
CARGO ?= cargo
# Everything, with what a first build leaves out.
ALL = --workspace --locked --features callboard-agents/http

.PHONY: help test test-long lint bench fuzz

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test: ## everything the tests need, then all tests
	$(CARGO) build $(ALL) --examples
	$(CARGO) test $(ALL)

test-long: ## the same with deeper searches, more seeds and 50 kills
	$(CARGO) build $(ALL) --examples
	MODEL_DEPTH=long TEST_SEEDS=10000 TEST_KILLS=50 TEST_PARKED=10000 TEST_CLUSTER_SEEDS=20 TEST_LIVE=100000 PROPTEST_CASES=4000 $(CARGO) test $(ALL)

lint: ## format, clippy and docs, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings
	$(CARGO) clippy -p callboard -p callboard-agents --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(ALL) --no-deps

bench: ## speed, beside what the disk does in the same run
	$(CARGO) bench --locked -p callboard-benches

# Of cargo-fuzz, which is installed below target/ and nowhere else.
CARGO_FUZZ_VERSION = 0.13.2
# Seconds in all, and the one entry to be fed, if not all.
SECONDS ?= 60
ENTRY ?=

fuzz: ## look for bytes that do harm: SECONDS=60, ENTRY=name
	CARGO_FUZZ_VERSION=$(CARGO_FUZZ_VERSION) tests/fuzz/run $(SECONDS) $(ENTRY)
