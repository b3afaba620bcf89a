# SPDX-License-Identifier: Apache-2.0 OR MIT
# The few commands a person types; CMake and tools/ do the work. `make help` lists them.
PREFIX ?= /usr/local
.DEFAULT_GOAL := build
.PHONY: run test build bench check nightly format clean install help
MAKEFLAGS += --no-print-directory

run: ## install what is missing, build, tell a story with the built-in model
	@tools/install-deps.sh run
	@$(MAKE) build
	@build/bin/kwaai run

test: ## install what is missing, build, run every test
	@tools/install-deps.sh test
	@tools/test.sh

build: ## build the command at build/bin/kwaai
	@tools/build.sh release
	@mkdir -p build/bin
	@if [ -f build/release/bin/kwaai ]; then cmp -s build/release/bin/kwaai build/bin/kwaai || \
	  cp -f build/release/bin/kwaai build/bin/kwaai; echo "build/bin/kwaai is ready" >&2; fi

bench: ## measure the built-in model and a synthetic 1.1B LLaMA
	@tools/install-deps.sh run
	@$(MAKE) build
	@build/bin/kwaai bench
	@build/bin/kwaai bench --synthetic llama-1.1b --type q4_0

check: ## everything that CI runs: both compilers, gates, sanitizers, fuzzers (about half an hour)
	@bash .ci/run

nightly: ## long fuzzing, valgrind, every preset
	@bash .ci/run nightly

format: ## let clang-format-19 format every C file
	@find src include tests examples bench bindings -name '*.[ch]' 2>/dev/null | xargs clang-format-19 -i

clean: ## remove build/
	rm -rf build

install: build ## install into $(DESTDIR)$(PREFIX)
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
	  printf '  make %-8s %s\n' "$$name" "$$text"; done
