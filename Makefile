# The commands of the project. `make help` lists them.
CARGO ?= cargo

.PHONY: help test test-long lint bench

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test: ## everything the tests need, then all tests
	$(CARGO) build --locked --examples
	$(CARGO) test --workspace --locked

test-long: ## the same with deeper searches, more seeds and 50 kills
	$(CARGO) build --locked --examples
	MODEL_DEPTH=long TEST_SEEDS=10000 TEST_KILLS=50 PROPTEST_CASES=4000 $(CARGO) test --workspace --locked

lint: ## format, clippy and docs, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p callboard --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

bench: ## speed, beside what the disk does in the same run
	$(CARGO) bench --locked -p callboard-benches
