# Everything that builds or tests lixfix starts here. CI runs "make test" and nothing else.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
BIN      ?= bin
FUZZTIME ?= 3s

TOOL    := go tool -modfile=scripts/tools.mod
SCRIPTS := .ci/run $(wildcard scripts/*.sh scripts/install/*.sh)
# What is linked in is given by these flags and the source alone, so that a release can be built again.
BUILD   := CGO_ENABLED=0 go build -trimpath -buildvcs=false
LDFLAGS  = -s -w -X main.version=$(VERSION)
SYSTEMS := darwin/amd64 darwin/arm64 linux/amd64 linux/arm64
# What takes five to ten times as long with the race detector, and shows it little: lixfix, shells and compilers as
# processes of their own, one known Mac after the other, and loops over long texts. "make test-long" has it look at the
# second and the third as well. The longest comes first.
RACELESS := ./scripts/release ./cmd/lixfix ./fixes/sequoia ./platform/redact
# The longest of those with it come first, too.
LONGER   := ./cmd/internal/cli ./fixes/resolvconf ./platform ./cmd/internal/runner ./fixes/stuck ./fixes/step
ALONE    := KnownMacs|Many|Linear
# Tests of other packages that are such loops, over texts or over cases, and the packages. In all but the first two, a trace
# of the scheduler has one goroutine that works. "make test-long" has the race detector look at them.
LOOPS    := Rows|ProbeLeaksNothing|Large|ManyProcessesInARecord|LargeHostName|Unlucky|HostsByFiles|AllAreSound
LOOPING  := ./fixes/resolvconf ./cmd/internal/cli ./platform/resolvconf ./fixes/stuck ./fixes/daemon ./platform/pattern
# They print what CI shows of records: a table of hosts, the canaries, and the hostile archives. The staged Linux hosts print
# theirs with "make staged".
TABLES   := Records|RecordOf128Users|Canaries|Hostile|StagedHosts
# What starts other programs, or waits for the clock, is not for a quick look.
PROCESSES := /staged$$|/scripts/|/cmd/lixfix$$|/cmd/lixfix/|/platformtest|/fixtest$$|/sequoia$$|/step$$
SLOW      := ^Test(Many|Linear|Watch.*|.*OnTerminal|RepairMovesTheChain|ResumeMovesTheChain|RepairOnlyWhatIsAllowed|Limit|StuckLeaksNothing|Canaries|Hostile|Rows)$$
LONGEST  := ./fixes/resolvconf/staged ./cmd/lixfix/attacks/staged ./fixes/daemon/staged
# In this order: what fails fastest comes first, and go test has the last word.
STAGES  := deps format vet scripts cross lint tests

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build blackbox quick test test-long deps fmt format vet scripts cross lint demo tests fuzz records staged unit raced raceless readmes goldens site machines bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## link bin/lixfix for this machine
	$(BUILD) -ldflags "$(LDFLAGS)" -o $(BIN)/lixfix ./cmd/lixfix

blackbox: ## link bin/lixfix-blackbox, which treats a machine with sw_vers as a Mac
	$(BUILD) -ldflags "$(LDFLAGS) -X github.com/lixfix/lixfix/platform.factsFrom=sw_vers" -o $(BIN)/lixfix-blackbox ./cmd/lixfix

quick: format vet lint ## what fits into a minute: format, go vet, lint, and the tests that start no processes
	go test -trimpath -vet=off -skip='$(SLOW)' $$(go list ./... | grep -Ev '$(PROCESSES)')

test: ## everything that CI checks
	@start=$$(date +%s); for stage in $(STAGES); do \
		echo "== make $$stage (after $$(($$(date +%s) - start)) s)"; \
		$(MAKE) --no-print-directory $$stage </dev/null || exit 1; \
	done

test-long: ## kill a repair at each of its writes, run races a thousand times, fuzz for longer, probe with a newer Nix, compile a release twice
	@scripts/deps.sh long
	scripts/newer-nix.sh
	scripts/fuzz.sh 60s
	LIXFIX_TEST_LONG=1 scripts/gotest.sh -count=1 -timeout=30m -run='^Test(Reproducible|Races)$$' ./scripts/release
	LIXFIX_TEST_LONG=1 scripts/gotest.sh -count=1 -timeout=4h -run='^Test(Swap|Turned)$$' ./cmd/lixfix/attacks/staged
	scripts/gotest.sh -race -count=1 -timeout=4h ./cmd/lixfix ./fixes/sequoia
	scripts/gotest.sh -race -count=1 -timeout=1h -run='^Test($(LOOPS))$$' $(LOOPING)
	@# -v prints how many cases ran; what it says of each that passed is left out.
	LIXFIX_TEST_LONG=1 bash -o pipefail -c 'scripts/gotest.sh -v -count=1 -timeout=4h -run="^Test(Crash|States|Lists|Later|Writes|Values)" ./cmd/lixfix | \
		grep -v "^ *=== [RPCN]\|^ *--- PASS"'

deps: ## install missing Debian packages that the tests need
	@scripts/deps.sh

fmt: ## format Go and shell sources
	$(TOOL) gofumpt -w .
	$(TOOL) shfmt -w $(SCRIPTS)

format: ## fail if "make fmt" would change something
	@bad=$$($(TOOL) gofumpt -l .) && { [ -z "$$bad" ] || { echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; }; }
	$(TOOL) shfmt -d $(SCRIPTS)

vet: ## go vet for Linux and macOS
	@# As "make cross" compiles it, so that each package is compiled once.
	GOOS=linux CGO_ENABLED=0 go vet -trimpath ./...
	GOOS=darwin CGO_ENABLED=0 go vet -trimpath ./...

scripts: ## shellcheck; also check that no test is left out by its name
	@# Parts of a script are looked at as what reads them makes of them.
	shellcheck -x -a $(filter-out scripts/install/%,$(SCRIPTS))
	@for name in $(subst |, ,$(ALONE)|$(LOOPS)|$(TABLES)); do \
		have=$$(git grep -lE "^func Test$$name\(" -- '*_test.go' | grep -v /staged/); \
		[ "$$(echo "$$have" | wc -w)" = 1 ] || { echo "make unit leaves Test$$name out by name, so give it to one package:" $$have; exit 1; }; \
	done

cross: ## link for every system; limit the size and the contents of the binary
	@for system in $(SYSTEMS); do \
		export GOOS=$${system%/*} GOARCH=$${system#*/}; \
		$(BUILD) -ldflags "$(LDFLAGS)" ./... && \
		$(BUILD) -ldflags "$(LDFLAGS)" -o $(BIN)/lixfix-$$GOOS-$$GOARCH ./cmd/lixfix && \
		scripts/linked.sh $(BIN)/lixfix-$$GOOS-$$GOARCH || exit 1; \
	done

lint: ## golangci-lint
	CGO_ENABLED=0 GOFLAGS=-trimpath $(TOOL) golangci-lint run ./...

demo: ## play a repair on a simulated Mac
	@scripts/demo.sh

tests: ## demo, fuzz, records, staged and unit
	@# The staged hosts wait, for time-outs of name servers and of Nix, and have clocks to meet; the others compute, and give
	@# way. What they print comes in one piece.
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && failed=0; \
	printf '%s\n' "$(MAKE) --no-print-directory staged" "nice $(MAKE) --no-print-directory demo fuzz records unit >$$log 2>&1" | \
		scripts/gotest.sh --within xargs -P 2 -I CALL sh -c CALL || failed=$$?; \
	cat "$$log"; exit $$failed

fuzz: ## run each fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

staged: ## hang the real Nix, break its sandbox, and print what was recognised, repaired and taken back
	@# -v prints the tables; what it says of each that passed is left out. -count=1: a remembered result has no table.
	@# Three packages at a time: they wait, for time-outs of name servers and of Nix, more than they compute. The longest ones
	@# come first. Without the race detector: what they stage are programs, which it does not see.
	@bash -o pipefail -c 'scripts/gotest.sh --again "$$(echo $$(go list $(LONGEST)) $$(go list ./... | grep /staged$$ | grep -Fvx "$$(go list $(LONGEST))"))" -p 3 -vet=off -v -count=1 -timeout=40m | \
		grep -v "^ *=== [RPCN]\|^ *--- PASS"'

records: ## record every known state of a Mac, look for planted secrets, read hostile archives, and print the results
	@bash -o pipefail -c 'scripts/gotest.sh --again "./cmd/lixfix ./platform/redact ./platform/record ./fixes/fixtest/replay" -vet=off -v -count=1 -timeout=40m -run="^Test($(TABLES))\$$" | \
		grep -v "^ *=== [RPCN]\|^ *--- PASS"'

unit: ## go test, with the race detector where that can find something
	@# Both at once: many tests wait for others, and the last package of a call leaves a processor idle.
	@printf '%s\n' raced raceless | xargs -P 2 -I CALL $(MAKE) --no-print-directory CALL

raced:
	@# "make vet" vets all. What is compiled with the race detector would be vetted once more, and all that it imports.
	@# Three packages at a time: each test with the race detector sleeps a second before it ends.
	scripts/gotest.sh --again "$$(echo $$(go list $(LONGER)) $$(go list ./... | grep -Ev '/staged$$|/cmd/lixfix$$|/scripts/release$$' | grep -Fvx "$$(go list $(LONGER))"))" \
		-race -p 3 -vet=off -shuffle=on -timeout=40m -skip='^Test($(ALONE)|$(LOOPS)|$(TABLES))$$'

raceless:
	@# What it prints comes in one piece, so that it is not between the lines of the other call. The long packages come last, where
	@# the other call needs its processor no more.
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && failed=0; \
	scripts/gotest.sh --again "$(LOOPING)" -vet=off -timeout=40m -run='^Test($(LOOPS))$$' >"$$log" 2>&1 || failed=$$?; \
	scripts/gotest.sh --again "$(RACELESS)" -vet=off -shuffle=on -timeout=40m -skip='^Test($(TABLES))$$' >>"$$log" 2>&1 || failed=$$?; \
	cat "$$log"; exit $$failed

readmes: ## write the README of each fix from its tables
	CGO_ENABLED=0 go run -trimpath ./cmd/gendocs -readmes fixes

goldens: ## write what tests compare with anew: read the difference before you commit it
	scripts/gotest.sh -count=1 -timeout=40m $(addprefix ./fixes/,sequoia stuck daemon lixunits resolvconf step fixtest/netrc) \
		./cmd/internal/render ./platform/receipt -update
	LIXFIX_UPDATE=1 scripts/gotest.sh -count=1 -timeout=40m -run='^Test(Scripts|States|Pages)$$' ./cmd/lixfix -update

site: ## write the knowledge base as pages to bin/site
	CGO_ENABLED=0 go run -trimpath ./cmd/gendocs -site $(BIN)/site -version "$(VERSION)"

machines: ## print every known state of a Mac, and how check, repair, check and undo end on it
	@bash -o pipefail -c 'go test -v -count=1 -run="^TestStates$$" ./cmd/lixfix | grep -v "^ *=== [RPCN]\|^ *--- PASS"'

bench: ## benchmarks, with the tools spawned by each
	go test -run='^$$' -bench=. -benchmem $$(scripts/having.sh Benchmark)

include scripts/release.mk

clean: ## remove what make has built
	rm -rf bin dist
