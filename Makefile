# What can be done here: `make help`.
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE ?= nmi-guard
TAG ?= $(VERSION)
ARCH ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint lint-deny advisories build image bench bench-http node-test cluster cluster-down kubernetes clean

help: ## Say what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## Show a Pod before and after, by the real server, without a cluster
	@bash -c '. scripts/need.sh && need_rust'
	@cargo build --locked --bin nmi-guard --example demo
	@cargo run --quiet --locked --example demo

test: ## Run all tests (a quarter of an hour; Go and buildah are needed, and root for those on a real node)
	@scripts/test.sh

lint: lint-deny ## Check format, lints, documentation, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --package nmi-guard --package nmi-guard-testbed --test node --test ends --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

lint-deny: ## Check licences and sources of dependencies (installs cargo-deny on first use)
	scripts/deny.sh bans licenses sources

advisories: ## Check dependencies for known vulnerabilities (fetches the RustSec database from github.com)
	scripts/deny.sh advisories

build: ## Build the static binaries into dist/ARCH (ARCH=amd64 or arm64)
	scripts/build.sh $(ARCH)

image: ## Build the container image IMAGE:TAG, and check its content and size
	scripts/image.sh $(IMAGE):$(TAG) $(ARCH)

bench: ## Measure one review
	cargo bench --locked --bench review

bench-http: ## Measure the server under load
	cargo bench --locked --bench http

node-test: ## Run only the tests on a real node (root; about nine minutes)
	@scripts/node.sh test

cluster: ## Start a cluster of one real node, with the real NMI, on this machine (root)
	@scripts/node.sh up

cluster-down: ## Take that cluster away
	@scripts/node.sh down

kubernetes: ## Build the Kubernetes that the tests use, or say where it is
	@tests/kubernetes/build.sh

clean: ## Remove everything built here; the cache in ~/.cache/nmi-guard stays
	cargo clean
	rm -rf dist
