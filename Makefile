# The commands of the project. `make` lists them.

CARGO ?= cargo
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: help check test cluster-tools dev-cluster dev-deploy demo shop features programs python postgres lint format-check doc crds released release-check golden bench

help: ## Lists the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-14s %s\n", $$1, $$2 }'

check: format-check lint ## Checks format, lints and fast tests, before each commit.
	$(CARGO) test --workspace --lib --bins

# Runs a part of the tests and prints how long it took.
timed = @TIMEFORMAT='$(1) took %0lR'; echo '$(2)'; time $(2)

test: ## Runs everything: format, lints, docs, all tests, generated files. Prints how long each part took.
	$(call timed,format and lints,$(MAKE) --no-print-directory format-check lint)
	$(call timed,docs,$(MAKE) --no-print-directory doc)
	$(call timed,the environment of Python,$(MAKE) --no-print-directory python)
	$(call timed,the programs of a cluster,$(MAKE) --no-print-directory cluster-tools)
	$(call timed,the build,$(CARGO) build --workspace)
	$(call timed,the tests,$(CARGO) test --workspace)
	$(call timed,the features in Python,SHOP_CUSTOMER="$(PYTHON)/bin/shop-customer" $(CARGO) test --workspace --test features)
	$(call timed,the demo,$(MAKE) --no-print-directory demo CUSTOMER=python PACKAGES=--workspace)
	$(call timed,the release check,$(MAKE) --no-print-directory release-check)

# Builds or downloads the programs of a cluster, which are kept outside of the checkout.
cluster-tools:
	@tests/tools/build.sh kubernetes
	@tests/tools/build.sh coredns
	@tests/tools/build.sh gitops
	@tests/tools/build.sh helm
	@tests/tools/debian.sh etcd-server
	@tests/tools/debian.sh containerd

dev-cluster: programs ## Runs a cluster with one node and the images of the shop until Ctrl-C, and prints how kubectl reaches it. Needs root.
	@$(CARGO) build -p angzarr-cluster
	@echo "Starting (this takes half a minute) …"
	@$(TARGET)/debug/dev-cluster

# The namespace that gets the operator and the shop.
NAMESPACE ?= shop

dev-deploy: ## Installs the operator and the shop in NAMESPACE of the cluster of KUBECONFIG, such as that of dev-cluster.
	@examples/deploy.sh "$(NAMESPACE)"

# Where cargo puts the programs; the Python environment is next to them.
TARGET = $(abspath $(or $(CARGO_TARGET_DIR),target))
PYTHON = $(TARGET)/python
SHOP = customer inventory order loyalty-earn cancellation web logging demo
PACKAGES = -p angzarr-operator -p angzarr-sidecar $(SHOP:%=-p shop-%)

# The language of the customer that the shop runs with: rust or python.
CUSTOMER ?= rust
$(if $(filter-out rust python,$(CUSTOMER)),$(error CUSTOMER=$(CUSTOMER) is not known; write rust or python))
# The store of the shop: sqlite, or postgres at ANGZARR_POSTGRES_URL.
STORE ?= sqlite
$(if $(filter-out sqlite postgres,$(STORE)),$(error STORE=$(STORE) is not known; write sqlite or postgres))
LAID_OUT = $(if $(filter postgres,$(STORE)),$(TARGET)/shop-on-postgres/shop,examples/shop)
AS_DECLARED = $(if $(filter postgres,$(STORE)),true,false)
PROGRAMS = $(if $(filter python,$(CUSTOMER)),$(PYTHON)/bin:)$(TARGET)/debug

programs: $(filter python,$(CUSTOMER)) $(filter postgres,$(STORE))
	@echo "Building (this takes some minutes the first time) …"
	@$(CARGO) build $(PACKAGES)

python:
	@examples/python/setup.sh "$(PYTHON)"

postgres:
	@examples/postgres/setup.sh "$(TARGET)/shop-on-postgres"

demo: programs ## Runs the shop, sends commands, kills a sidecar meanwhile and checks that nothing is lost or duplicated.
	@ANGZARR_AS_DECLARED=$(AS_DECLARED) PATH="$(PROGRAMS):$$PATH" shop-demo $(LAID_OUT)

shop: programs ## Runs the shop until Ctrl-C and prints its addresses.
	@ANGZARR_AS_DECLARED=$(AS_DECLARED) PATH="$(PROGRAMS):$$PATH" angzarr local -f $(LAID_OUT)

features: python ## Tests the features of the shop with the logic in each language and with the running system.
	$(CARGO) build --workspace
	$(CARGO) test --workspace --test features --test system
	SHOP_CUSTOMER="$(PYTHON)/bin/shop-customer" $(CARGO) test --workspace --test features

format-check:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --quiet

crds: ## Generates crds/*.yaml and docs/resources.md from the resource types.
	$(CARGO) run --quiet -p angzarr-crds --bin crds -- crds docs/resources.md

# The release builds, the same for all targets that use them: as in the Dockerfiles, each program by itself, since programs that are built together
# share the features of their libraries.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
RELEASED = $(TARGET)/$(HOST)/release
release = RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release --quiet --locked --target $(HOST) $(1)

# The programs that are measured and shipped.
released:
	$(call release,-p angzarr-sidecar)
	$(call release,-p angzarr-operator)
	$(call release,-p angzarr-bench)

release-check: released ## Checks that the release build has no fail points, that the bench runs with it, and how large the images are.
	$(CARGO) run --quiet -p angzarr-cluster --bin image-sizes -- $(RELEASED)
	$(CARGO) run --quiet -p angzarr-tests --bin release-check -- $(RELEASED)/angzarr-sidecar
	$(RELEASED)/angzarr-bench --seconds 0.3 --memory-events 10000 --only " 16"
	$(RELEASED)/angzarr-bench --seconds 0.3 --memory-events 10000 --only port

golden: ## Rewrites the committed contract, docs/conditions.md and the objects that a cluster gets in the golden cases; review the difference.
	ANGZARR_GOLDEN=rewrite $(CARGO) test --quiet -p angzarr-proto --test contract
	ANGZARR_GOLDEN=rewrite $(CARGO) test --quiet -p angzarr-operator --test golden --test conditions

bench: released ## Measures the pipeline next to the bare calls and flushes that it needs; writes target/bench.json.
	$(call release,-p angzarr-cluster --bin operator-bench)
	$(RELEASED)/angzarr-bench --json $(TARGET)/bench.json
	$(RELEASED)/operator-bench
