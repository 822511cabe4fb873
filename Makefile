# The commands of the project. Each works on a fresh Debian machine that has Rust.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help serve quick test dist rocksdb bench figures fmt

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s  %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Pass arguments with ARGS, for example: make serve ARGS="--grpc-addr 127.0.0.1:50052"'

serve: ## build the server and start it with schema-examples/gitpod; data stay for the next time
	@scripts/serve $(ARGS)

quick: ## format, lints and the Rust tests, without clients of other languages; narrow down with ARGS="check_rules"
	@scripts/quick $(ARGS)

test: ## everything that has to pass: format, lints, docs, examples, tests, official clients
	@scripts/test

dist: ## make the packages that users install, in dist/: tarball, Debian package, Python wheel, Dockerfile
	@scripts/dist

rocksdb: ## keep the compiled RocksDB as one file, for builds on other machines
	@scripts/rocksdb

bench: ## benchmarks of the parts; narrow down with ARGS="check"
	@. scripts/common.sh; scripts/prepare build; cargo bench --locked --bench parts -- $(ARGS)

figures: ## measure a real server with kilwa bench: checks per second, latencies and CPU time
	@scripts/figures $(ARGS)

fmt: ## format the code
	@. scripts/common.sh; cargo fmt
