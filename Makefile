# What people type. `make help` lists it.

DATA_DIR ?= .data
CARGO ?= cargo
# Such as --locked: CI builds exactly what is committed.
CARGO_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help up test bench lint

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Build and run everything on this machine; data in .data (or DATA_DIR=…)
	@scripts/prerequisites
	$(CARGO) build --release $(CARGO_FLAGS) --package daybook
	target/release/daybook up --data-dir $(DATA_DIR)

test: ## Run every test, after installing what is missing
	@scripts/prerequisites test
	$(CARGO) test --workspace $(CARGO_FLAGS)

bench: ## Measure on this machine and print a table
	@scripts/prerequisites
	$(CARGO) build --release $(CARGO_FLAGS) --package daybook
	$(CARGO) bench $(CARGO_FLAGS) --package ledger-tests --no-default-features --bench ledger

lint: ## Check formatting and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(CARGO_FLAGS) -- -D warnings
