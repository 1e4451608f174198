# Everything that is done with this repository. `make` or `make help` lists it.

CACHE := $(abspath $(or $(SALLYPORT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sallyport))
export SALLYPORT_CACHE := $(CACHE)
CARGO := cargo
FUZZ_SECONDS := 600
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The program takes the filter in when it is built: see webhook/build.rs.
export SALLYPORT_FILTER := $(abspath $(TARGET))/wasm32-wasip1/sallyport_filter.wasm

.DEFAULT_GOAL := help
.PHONY: help demo test lint fmt bench bench-filter bench-engine fuzz tools crds rules image filter reproducible unit integration

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## build, start the webhook and Envoys, send them what five systems send, show what they do
	@e2e/tools/install envoy wasm-opt
	@echo "building (a few minutes the first time)"
	@wasm-filter/build > /dev/null
	@$(CARGO) build --locked -q --workspace --bin sallyport --example demo
	@$(TARGET)/debug/examples/demo

# Of the whole workspace in one go: another selection of packages would build most dependencies a second time, with
# other features.
test: tools filter lint reproducible ## formatting, lints, licences and all tests, real API server included
	$(CARGO) build --locked --workspace --bin sallyport --example demo
	$(TARGET)/debug/examples/demo > /dev/null
	$(CARGO) test --locked --workspace

lint: filter ## formatting, clippy, licences and sources of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p sallyport-filter -p sallyport-bare-filter --target wasm32-wasip1 -- -D warnings
	@e2e/tools/install cargo-deny
	$(CACHE)/bin/cargo-deny --locked check licenses bans sources

filter: ## build the filter that Envoy runs; print its path, size and digest
	@e2e/tools/install wasm-opt
	@wasm-filter/build

reproducible: ## build the filter in two folders: both must give the same bytes
	@e2e/tools/install wasm-opt
	@wasm-filter/reproducible

unit: filter ## tests that need no server
	@e2e/tools/install corpus cel-spec wycheproof
	$(CARGO) test --locked --workspace --exclude sallyport-tests

integration: tools filter ## tests against a real kube-apiserver, etcd, Envoy and istiod, and of the examples whole
	$(CARGO) test --locked --workspace --test integration --test cluster --test install --test filter --test mesh \
		--test monitoring --test systems

fmt: ## format the code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

bench: filter ## measure the webhook against its peers; builds pod-security-admission's and Kyverno (about 20 min once)
	@e2e/tools/install etcd kube-apiserver psa-webhook kyverno
	$(CARGO) build --locked --release -p sallyport
	$(CARGO) build --locked --release -p sallyport-bench
	$(TARGET)/release/bench-webhook $(BENCH)

bench-filter: filter ## measure the filter in Envoy, beside Envoy's own filters
	@e2e/tools/install envoy wasm-opt
	$(CARGO) build --locked --release -p sallyport-bench
	$(TARGET)/release/bench-filter $(BENCH)

bench-engine: filter ## measure the engine alone
	$(CARGO) bench --locked -p sallyport-admission

fuzz: ## run every fuzz target under libFuzzer, each for FUZZ_SECONDS (600)
	@e2e/tools/install cargo-fuzz
	fuzz/run $(FUZZ_SECONDS)

tools: ## install the programs that tests run into the cache (SALLYPORT_CACHE)
	@e2e/tools/install

image: ## build the container image, as an OCI layout; needs musl-gcc
	@image/build

crds: filter ## write manifests/crds from the types
	$(CARGO) run --locked -q -p sallyport -- crds --dir manifests/crds

rules: ## write manifests/monitoring/prometheusrule.yaml from the rules beside it
	@manifests/monitoring/prometheusrule > manifests/monitoring/prometheusrule.yaml
