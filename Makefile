# Everything a person needs, on a bare Debian 12 or Ubuntu machine with Rust. `make help` lists it.
# What a target runs is in scripts/; each can also be run by itself.
.PHONY: help setup demo lint test bench install
DESTDIR ?=
PREFIX ?= /usr
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing: system packages, ONNX Runtime (does nothing where nothing is missing)
	@scripts/setup

demo: setup ## run the simulated line, inspected end to end (ARGS="--seconds 60 --json" and the like are passed on)
	@scripts/demo $(ARGS)

lint: setup ## format and lints alone, all features that need no GPU
	@scripts/lint

test: setup ## format, lints, doc tests, all tests: exactly what CI runs
	@scripts/test

bench: setup ## every criterion benchmark (ARGS="-p sightline-registration" for one crate)
	@scripts/bench $(ARGS)

install: ## build and install binaries, units, completions and manual pages (DESTDIR=, PREFIX=/usr)
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" scripts/install
