# The commands of the project. `make help` lists them.
CARGO ?= cargo
# Everything, with what a first build leaves out.
ALL = --workspace --locked --features callboard-agents/http

.PHONY: help test test-long lint bench

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test: ## everything the tests need, then all tests
	$(CARGO) build $(ALL) --examples
	$(CARGO) test $(ALL)

test-long: ## the same with deeper searches, more seeds and 50 kills
	$(CARGO) build $(ALL) --examples
	MODEL_DEPTH=long TEST_SEEDS=10000 TEST_KILLS=50 TEST_PARKED=10000 TEST_CLUSTER_SEEDS=20 TEST_LIVE=100000 TEST_SCHEDULES=100000 PROPTEST_CASES=4000 $(CARGO) test $(ALL)

lint: ## format, clippy and docs, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings
	$(CARGO) clippy -p callboard -p callboard-agents --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(ALL) --no-deps

bench: ## speed, beside what the disk does in the same run
	$(CARGO) bench --locked -p callboard-benches
