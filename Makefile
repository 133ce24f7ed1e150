# socklab: `make help` says what there is.

PORT ?= 9000
BIND ?= 127.0.0.1
N ?= 37
DESIGN ?= forked
HOST ?= localhost
ROUNDS ?= 20
# Most tests wait for a server most of the time.
ifndef RUST_TEST_THREADS
export RUST_TEST_THREADS := $(shell echo $$((2 * $$(nproc))))
endif

SOCKLAB := target/release/socklab
CC ?= cc
CFLAGS := -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
	-Wmissing-prototypes -Werror -pthread
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# The C programs are found, not listed: one for each file.
SHARED := $(wildcard c-compat/common/*.c c-compat/service/*.c) c-compat/clients.c c-compat/table.c c-compat/client/common.c \
	c-compat/resolve/common.c c-compat/resolve/constants.c
HEADERS := $(wildcard c-compat/*.h c-compat/*/*.h c-compat/*/*/*.h)
# Servers and clients with one fault each, and what only these share.
BROKEN_SHARED := $(addprefix c-compat/broken/,common.c lines.c client/common.c)
SPECIMENS := $(patsubst c-compat/%.c,target/c/%,$(filter-out $(BROKEN_SHARED),$(wildcard c-compat/broken/*.c \
	c-compat/broken/client/*.c)))
PROGRAMS := $(patsubst c-compat/%.c,%,$(filter-out $(SHARED),$(wildcard c-compat/*.c c-compat/client/*.c \
	c-compat/resolve/*.c)))
# Those with threads have a build under the thread sanitizer too.
THREADED := $(basename $(notdir $(shell grep -l pthread_create c-compat/*.c)))
DESIGNS := $(filter-out client/% resolve/%,$(PROGRAMS))
# Only uring needs liburing: it comes last, so that all others are built where there is none.
C := $(addprefix target/c/,$(filter-out uring,$(PROGRAMS)) uring)
C_SANITIZED := $(addprefix target/c/sanitized/,$(PROGRAMS)) \
	$(addprefix target/c/thread-sanitized/,$(THREADED))
LIBURING := liburing (Debian, Ubuntu: liburing-dev; Fedora: liburing-devel; Arch: liburing; Alpine: liburing-dev)
C_BENCH := target/c/bench/fibonacci target/c/bench/fibonacci-O0 target/c/bench/fibonacci-inlined

TOOLS := gethostbyname gethostbyaddr getservbyname getservbyport getprotobyname getprotobynumber getaddrinfo \
	getnameinfo knock traceroute sockopt readiness nc netstat

.PHONY: $(TOOLS) help build c run test check lint fmt clippy doc clean client client-time bench bench-service \
	bench-stalls bench-mixed bench-idle bench-nc bench-netstat bench-compare bench-gate experiments instructions tools liburing \
	specimens $(addprefix run-,$(DESIGNS)) $(addprefix run-c-,$(DESIGNS)) compare calls $(addprefix compare-,$(DESIGNS)) \
	examine examine-broken examine-steady $(addprefix examine-,$(DESIGNS)) $(addprefix trace-,$(DESIGNS)) \
	FORCE
.DELETE_ON_ERROR:

# One program that writes once, so that a full disk is met once; the environment needs no quotes.
help: export SHOWN_DESIGNS = $(DESIGNS)
help: export SHOWN_VARIABLES = PORT=$(PORT) BIND=$(BIND) HOST=$(HOST) N=$(N) DESIGN=$(DESIGN) ARGS=$(ARGS)
help: ## this list
	@awk -F ':.*## ' '/^[a-zA-Z%-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 } END { \
		print "\n  designs: " ENVIRON["SHOWN_DESIGNS"]; print "  variables: " ENVIRON["SHOWN_VARIABLES"] }' \
		$(MAKEFILE_LIST) 2>/dev/null || { echo 'make help: it could not all be written' >&2; exit 1; }

build: $(SOCKLAB) c ## build the Rust program and the C twins

run-%: ## run a server design in Rust: make run-forked, make run-select PORT=7000
$(addprefix run-,$(DESIGNS)): run-%: $(SOCKLAB)
	@exec $(SOCKLAB) serve $* --bind $(BIND) --port $(PORT) $(ARGS)

run-c-%: ## run its C twin: make run-c-forked
$(addprefix run-c-,$(DESIGNS)): run-c-%: target/c/%
	@exec target/c/$* --bind $(BIND) --port $(PORT) $(ARGS)

run: run-$(DESIGN) ## run the design that DESIGN names

client: $(SOCKLAB) ## ask a Fibonacci server: make client N=30
	@exec $(SOCKLAB) client fib $(HOST) $(PORT) -n $(N) $(ARGS)

client-time: $(SOCKLAB) ## ask a time server
	@exec $(SOCKLAB) client time $(HOST) $(PORT) $(ARGS)

# The tools take their arguments from ARGS: make netstat ARGS=-tulpn
$(TOOLS): $(SOCKLAB)
	@exec $(SOCKLAB) $@ $(ARGS)

compare-%: ## a design and its C twin, system call by system call
$(addprefix compare-,$(DESIGNS)): compare-%: $(SOCKLAB) target/c/%
	@$(SOCKLAB) compare $* $(ARGS)

trace-%: ## a design, system call by system call, in plain words
$(addprefix trace-,$(DESIGNS)): trace-%: $(SOCKLAB)
	@$(SOCKLAB) trace $* $(ARGS)

compare: $(SOCKLAB) c ## all designs and their twins
	@failed=; for design in $(DESIGNS); do printf '%-18s' $$design; \
		$(SOCKLAB) compare $$design >target/compare-$$design.txt || failed="$$failed $$design"; \
		tail -n 1 target/compare-$$design.txt; done; test -z "$$failed"

examine-%: ## what a design and its C twin really do, and whether that is what is promised
$(addprefix examine-,$(DESIGNS)): examine-%: $(SOCKLAB) target/c/%
	@$(SOCKLAB) examine $* $(ARGS)

examine: $(SOCKLAB) c ## all designs and their twins: ten minutes or so
	@failed=; for design in $(DESIGNS); do printf '%-18s' $$design; \
		$(SOCKLAB) examine $$design $(ARGS) >target/examine-$$design.txt && echo as promised || failed="$$failed $$design"; \
	done; test -z "$$failed"

examine-broken: $(SOCKLAB) c specimens ## what is said of servers with one fault each, and whether that is their table
	cargo test --release --quiet --test specimens -- --ignored

examine-steady: $(SOCKLAB) c specimens ## the instrument's own tests ROUNDS times beside a busy loop: no verdict may flip
	@cargo test --release --quiet --test specimens --no-run; while :; do :; done & hog=$$!; trap "kill $$hog" EXIT; trap "exit 130" INT TERM; \
	failed=; for round in $$(seq $(ROUNDS)); do printf 'round %s: ' $$round; \
		cargo test --release --quiet --test specimens >target/steady-$$round.txt 2>&1 || failed="$$failed $$round"; \
		grep '^test result' target/steady-$$round.txt || tail -n 3 target/steady-$$round.txt; \
	done; test -z "$$failed" || { echo "failed in round$$failed: target/steady-N.txt" >&2; exit 1; }

calls: $(SOCKLAB) c ## what a connection costs each design, and whether its twin is equal: a table
	@$(SOCKLAB) compare --table

experiments: $(SOCKLAB) ## what the kernel does: whom it wakes, who gets it, how many wait
	@$(SOCKLAB) experiment herd
	@$(SOCKLAB) experiment balance
	@$(SOCKLAB) experiment backlog

test: tools $(SOCKLAB) c $(C_SANITIZED) specimens ## run all tests
	cargo test --release --quiet

check: test lint ## run all tests, then the formatter, the linter and the documentation

lint: fmt clippy doc

fmt:
	cargo fmt --check

clippy:
	cargo clippy --release --all-targets --quiet -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

bench-service: $(C_BENCH) ## the naive recursion: Rust against gcc, as ratios
	cargo bench --quiet --bench service

instructions: tools $(SOCKLAB) c ## the user instructions of one connection, by callgrind: Rust and C
	@cargo bench --quiet --bench instructions

# How each is told more: make bench-stalls ARGS='--designs epoll,threaded'
bench-stalls: c ## who waits behind silent and behind costly clients: every design
	cargo bench --quiet --bench stalls -- $(ARGS)

bench-mixed: c ## cheap requests beside costly ones: latencies, as ratios
	cargo bench --quiet --bench mixed -- $(ARGS)

bench-idle: c ## ten thousand idle clients: what they cost the designs with events
	cargo bench --quiet --bench idle -- $(ARGS)

bench-nc: ## netcat against its peers: throughput and system calls
	cargo bench --quiet --bench nc -- $(ARGS)

# For a benchmark cargo builds the program again, with what only the tests want of its libraries, and that starts later:
# the one that people have is kept.
bench-netstat: $(SOCKLAB) ## socklab netstat beside netstat and ss, with up to 40,000 sockets
	@cp $(SOCKLAB) target/socklab-for-netstat
	SOCKLAB_BENCH_PROGRAM=$(CURDIR)/target/socklab-for-netstat cargo bench --quiet --bench netstat -- $(ARGS)

bench-compare: ## two recordings of 100,000 lines each, side by side: how long that takes
	cargo bench --quiet --bench compare -- $(ARGS)

bench-gate: $(SOCKLAB) ## servers behind a gate that lets everything through: requests per second, as ratios
	cargo bench --quiet --bench gate -- $(ARGS)

bench: bench-service bench-stalls bench-mixed bench-idle bench-nc bench-netstat bench-compare bench-gate ## all benchmarks: ten minutes or so

clean: ## remove what was built
	rm -rf target

# cargo knows best what is out of date.
$(SOCKLAB): FORCE
	@cargo build --release $(if $(wildcard $(SOCKLAB)),--quiet)

c: $(C)

specimens: $(SPECIMENS) ## build c-compat/broken: servers and clients with one fault each

# What the programs share is compiled once for each kind of build: into FOLDER/shared.a.
target/c/shared.a: FLAGS :=
target/c/sanitized/shared.a: FLAGS := $(SANITIZE)
target/c/thread-sanitized/shared.a: FLAGS := -fsanitize=thread
%/shared.a: $(SHARED) $(HEADERS) Makefile
	@rm -rf $@ $*/shared && mkdir -p $*/shared
	@for file in $(SHARED); do \
		$(CC) $(CFLAGS) $(FLAGS) -c -o $*/shared/$$(echo $$file | tr / -).o $$file || exit 1; done
	@ar rcs $@ $*/shared/*.o

define program
@mkdir -p $(@D)
$(CC) $(CFLAGS) $(FLAGS) -o $@ $< $(filter %.a,$^) $(LIBRARIES)
endef

$(C): target/c/%: c-compat/%.c target/c/shared.a
	$(program)

$(filter target/c/sanitized/%,$(C_SANITIZED)): FLAGS := $(SANITIZE)
$(filter target/c/sanitized/%,$(C_SANITIZED)): target/c/sanitized/%: c-compat/%.c target/c/sanitized/shared.a
	$(program)

$(filter target/c/thread-sanitized/%,$(C_SANITIZED)): FLAGS := -fsanitize=thread
$(filter target/c/thread-sanitized/%,$(C_SANITIZED)): target/c/thread-sanitized/%: c-compat/%.c \
		target/c/thread-sanitized/shared.a
	$(program)

target/c/broken/shared.a: SHARED := $(BROKEN_SHARED)
target/c/broken/shared.a: $(BROKEN_SHARED)
$(SPECIMENS): target/c/%: c-compat/%.c target/c/broken/shared.a target/c/shared.a
	$(program)

target/c/uring target/c/sanitized/uring: LIBRARIES := -luring
target/c/uring target/c/sanitized/uring: | liburing

liburing:
	@echo '#include <liburing.h>' | $(CC) -E -x c - >/dev/null 2>&1 || \
		{ echo 'c-compat/uring.c needs $(LIBURING)' >&2; exit 1; }

# The recursion as the twins have it, without optimisation, and with inlining allowed.
target/c/bench/fibonacci: BENCH_FLAGS := -O2
target/c/bench/fibonacci-O0: BENCH_FLAGS := -O0
target/c/bench/fibonacci-inlined: BENCH_FLAGS := -O2 -Dnoinline=
$(C_BENCH): c-compat/bench/fibonacci.c $(SHARED) $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BENCH_FLAGS) -o $@ $< $(SHARED)

tools:
	@sh tests/tools.sh
