# The commands of the project. `make help` lists them.
CARGO ?= cargo
# Everything, with what a first build leaves out.
ALL = --workspace --locked --features callboard-agents/http

# Tools that are not part of Rust, pinned, and kept here so that nobody's own ones change.
TOOLS = $(CURDIR)/target/tools
MUTANTS = $(TOOLS)/cargo-mutants-27.1.0
TARPAULIN = $(TOOLS)/cargo-tarpaulin-0.37.5
# The shard to try, such as 1/8; all in one go without.
SHARD ?= 1/1

.PHONY: help services services-down cluster test test-long lint bench bench-quick bench-peers bench-instructions simulate sabotage chaos chaos-long chaos-sabotage load schemathesis fuzz mutants mutants-diff coverage

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# Servers of another Debian: SERVERS=trixie has RabbitMQ 4 and radosgw 18.
SERVERS ?=
ifneq ($(SERVERS),)
export CHAOS_SERVERS_ROOT = $(CURDIR)/target/servers/$(SERVERS)
endif

services: ## RabbitMQ, Redis and radosgw: what is missing is installed, what is not running is started
	chaos/install $(SERVERS) $(CHAOS_SERVERS_ROOT)
	$(CARGO) run --quiet --locked -p callboard-chaos -- services up

services-down: ## end these servers and remove their data
	$(CARGO) run --quiet --locked -p callboard-chaos -- services down

cluster: services ## three nodes on these servers, until Ctrl-C
	chaos/cluster

# Runs what is in $(1) with the servers, which end afterwards whatever comes of it.
with_services = trap '$(MAKE) --no-print-directory services-down' EXIT; trap 'exit 130' INT TERM; \
	$(MAKE) --no-print-directory services && $(1)

test: ## everything the tests need, then all tests
	$(CARGO) build $(ALL) --examples
	$(call with_services,$(CARGO) test $(ALL))
	$(MAKE) schemathesis
	$(MAKE) simulate SEEDS=2000

test-long: ## the same with deeper searches, more seeds and 50 kills
	$(CARGO) build $(ALL) --examples
	$(call with_services,MODEL_DEPTH=long TEST_SEEDS=10000 TEST_KILLS=50 TEST_COUNTS=1000 TEST_FIRE_SEEDS=10 TEST_PARKED=10000 TEST_CLUSTER_SEEDS=20 TEST_LIVE=100000 TEST_LINEAR_OPS=500000 TEST_SCHEDULES=100000 PROPTEST_CASES=4000 TEST_NODE_KILLS=20 TEST_NODE_RUNS=250 TEST_NODE_ROUNDS=15 TEST_NODE_AWAY=20 TEST_NODE_CUTS=12 TEST_NODE_PARKED=10000 $(CARGO) test $(ALL))
	$(CARGO) test $(ALL) --lib --tests -- --ignored
	$(MAKE) schemathesis EXAMPLES=500
	$(MAKE) simulate SEEDS=20000

# Of PyPI, in a folder below target/; the examples of each operation, and the seed that makes them.
export SCHEMATHESIS_VERSION = 4.32.5
export VALIDATOR_VERSION = 0.9.0
EXAMPLES ?= 10
SEED ?= 1

schemathesis: ## ask a node what its OpenAPI document allows: no server error, answers as described; EXAMPLES=500 SEED=2
	$(CARGO) build $(ALL) --examples --bin callboard
	TOOLS=$(TOOLS) tests/schemathesis target/debug/callboard $(EXAMPLES) $(SEED)

# One more build, in which time, ids and the order of wake-ups are the seed's, and promises can be broken on purpose.
SIMULATE = RUSTFLAGS="--cfg tokio_unstable" $(CARGO) run --quiet --locked --profile simulate --target-dir target/simulate \
	-p callboard-simulator --features sabotage --
FROM ?= 1
SEEDS ?= 1

simulate: ## whole clusters from SEEDS seeds behind FROM, with SHOW=1 and LEVEL=debug what happens
	$(SIMULATE) --from $(FROM) --seeds $(SEEDS) $(if $(SHOW),--show) $(if $(LEVEL),--level $(LEVEL)) $(if $(TWICE),--twice)

# Every one of `Sabotage::ALL` but `deaf_consumer`, which is for the chaos suite, or one: PROMISE=no_fence.
PROMISE ?= ack_before_append no_fence no_holder_check recorded_steps_ignored occurrence_at_first_poll garbage_at_once \
	lease_never_expires dispatch_forgotten_at_takeover effects_before_durable unfair_scheduler timer_early \
	lost_answer_means_failed release_all_at_once probe_by_all retry_spent_by_parking budget_not_reserved limit_counted_twice \
	update_again no_fence_version stale_as_fresh spool_dropped

sabotage: ## break one promise at a time: each must be found within 1,000 seeds
	for promise in $(PROMISE); do \
		echo "$$promise:"; \
		if $(SIMULATE) --seeds 1000 --sabotage $$promise; then echo "not found"; exit 1; fi; \
	done

# One scenario, a plan of your own, or all; the same SEED does the same again.
SCENARIO ?= all
SEED ?=
CHAOS = target/debug/callboard-chaos run $(SCENARIO) $(if $(SEED),--seed $(SEED))

chaos: ## break a cluster of processes: SCENARIO=node-kill, SEED=7; reports are in target/chaos
	chaos/install
	$(CARGO) build --quiet $(ALL),callboard-chaos/suite --bin callboard-chaos
	$(CHAOS)

chaos-long: ## an hour of faults of all kinds, one every ten seconds, on a release build; SEED=7, DURATION=5m
	chaos/install
	$(CARGO) build --quiet --release $(ALL),callboard-chaos/suite --bin callboard-chaos
	target/release/callboard-chaos run hour --duration $(or $(DURATION),1h) $(if $(SEED),--seed $(SEED))

chaos-sabotage: ## nodes that break a promise, PROMISE=no_fence, or one after the other: the chaos suite must find each
	chaos/install
	$(CARGO) build --quiet $(ALL),callboard-chaos/sabotage --bin callboard-chaos
	target/debug/callboard-chaos sabotage $(if $(filter file,$(origin PROMISE)),,$(PROMISE)) $(if $(SEED),--seed $(SEED))

load: ## what a cluster of processes takes, in an hour and a half: DURATION=60s for less of each, LOAD=load-steady for one
	chaos/install
	$(CARGO) build --quiet --release $(ALL),callboard-chaos/suite --bin callboard-chaos
	target/release/callboard-chaos load $(LOAD) $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED))

lint: ## format, clippy, docs and the list of the public API; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings
	$(CARGO) clippy -p callboard -p callboard-agents --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(ALL) --no-deps
	tests/public-api/run

mutants: ## change the core and the journal line by line: a test must fail; SHARD=1/8 for a part
	MUTANTS=$(MUTANTS)/bin/cargo-mutants .ci/mutants core $(SHARD)
	MUTANTS=$(MUTANTS)/bin/cargo-mutants .ci/mutants journal $(SHARD)

mutants-diff: ## the same for what has changed since BASE, origin/main without it
	MUTANTS=$(MUTANTS)/bin/cargo-mutants .ci/mutants diff $(BASE)

coverage: ## lines that the tests reach, held against what is wanted; OF=seeds for those that the simulator reaches
	TARPAULIN=$(TARPAULIN)/bin/cargo-tarpaulin .ci/coverage $(OF)

# The version is behind the last dash of the folder's name.
$(MUTANTS)/bin/cargo-mutants $(TARPAULIN)/bin/cargo-tarpaulin:
	nice -n 15 $(CARGO) install --locked -j 1 --root $(@D)/.. $(notdir $@) --version $(lastword $(subst -, ,$(notdir $(@D:/bin=))))

bench: ## speed, beside what disk and broker do in the same run; the first build with the servers' clients takes long
	chaos/install
	$(CARGO) bench --locked -p callboard-benches --features cluster,otlp --bench throughput

bench-quick: ## the same with a fifth of everything, once: some minutes
	chaos/install
	$(CARGO) bench --locked -p callboard-benches --features cluster,otlp --bench throughput -- --quick

bench-instructions: ## instructions of the core's hot paths, beside those that are committed
	chaos/install
	benches/core/instructions

# Of `benches/peers/README.md`, or all of them: PEERS="restate celery".
PEERS ?=

bench-peers: ## the same tasks on other systems, from PyPI and npm below target/: PEERS="restate celery", QUICK=1
	benches/peers/run$(if $(QUICK), --quick) $(PEERS)

# Of cargo-fuzz, which is installed below target/ and nowhere else.
CARGO_FUZZ_VERSION = 0.13.2
# Seconds in all, and the one entry to be fed, if not all.
SECONDS ?= 60
ENTRY ?=

fuzz: ## look for bytes that do harm: SECONDS=60, ENTRY=name
	CARGO_FUZZ_VERSION=$(CARGO_FUZZ_VERSION) tests/fuzz/run $(SECONDS) $(ENTRY)
