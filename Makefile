# The commands of the project. `make help` lists them.
CARGO ?= cargo

.PHONY: help test test-long lint bench

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test: ## everything the tests need, then all tests
	$(CARGO) test --workspace --locked

lint: ## format, clippy and docs, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
