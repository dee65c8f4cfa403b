# What there is to make:
#   make            build bin/after
#   make install    build and install it with its manual (./install.sh --help)
#   make test       every test with the race detector, then each fuzz test for 3 seconds
#   make lint       the linters, and that go.mod and the generated documents are current
#   make bench      the figures, as a table and as JSON in bench/results/latest.json
#   make torture    the fault and property tests again, for a long time
#   make tools      what the above need beyond Go: golangci-lint, and the npm packages of the test servers
#   make docs       write docs/config.md and docs/cli.md anew
#   make clean      remove what was built

GO           ?= go
PREFIX       ?=
GOLANGCI     := v2.15.0
VERSION      := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS      := -X github.com/adlayer/after/cli.version=$(VERSION)
FUZZTIME     ?= 3s
TORTURE      ?= 100
NPM_SUITES   := $(patsubst %/package.json,%,$(wildcard test/*/package.json))
NPM_STAMPS   := $(addsuffix /node_modules/.package-lock.json,$(NPM_SUITES))
# The race detector needs a C compiler, except on macOS.
RACE         := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED))$(filter darwin,$(shell $(GO) env GOOS)),-race)
LINTER       := .bin/golangci-lint-$(GOLANGCI)

.PHONY: build install uninstall test unit fuzz lint bench torture tools npm race docs clean

build:
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags '$(LDFLAGS)' -o bin/after ./cmd/after

install:
	./install.sh $(if $(PREFIX),--prefix '$(PREFIX)')

uninstall:
	./install.sh --uninstall $(if $(PREFIX),--prefix '$(PREFIX)')

test: unit fuzz
	@$(WARN)

# The package that waits the longest for the clock goes first, so that the others are tested beside it. What go vet finds is
# among the linters: here it would read all modules once more.
unit: npm race
	$(GO) test $(RACE) -vet=off -timeout 20m ./worker ./...

fuzz:
	GO='$(GO)' ./.ci/fuzz $(FUZZTIME)

# With the settings of build, so that what the linters read is compiled once.
lint: $(LINTER)
	CGO_ENABLED=0 GOFLAGS=-trimpath $(LINTER) run ./...
	$(LINTER) fmt --diff ./...
	$(GO) mod tidy -diff
	$(GO) mod verify

bench:
	@mkdir -p bench/results
	$(GO) run ./bench -json bench/results/latest.json

# The budget of every test that takes one, $(TORTURE) times as long.
torture: npm race
	AFTER_TORTURE=$(TORTURE) $(GO) test $(RACE) -timeout 12h -count 1 ./...
	GO='$(GO)' ./.ci/fuzz 10m

tools: $(LINTER) npm

$(LINTER):
	CGO_ENABLED=0 GOBIN='$(CURDIR)/.bin' $(GO) install -trimpath github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv .bin/golangci-lint $@

# What this machine cannot test is said before and after; with AFTER_REQUIRE_NPM=1 and AFTER_REQUIRE_RACE=1, as in
# .ci/run, it is a failure.
RULE := ==============================================================================
define WARN
command -v npm >/dev/null 2>&1 || printf '%s\n' '$(RULE)' \
	' npm is not installed: the suites against other servers DID NOT RUN ($(NPM_SUITES)).' '$(RULE)' >&2; \
[ -n '$(RACE)' ] || printf '%s\n' '$(RULE)' \
	' There is no C compiler: the tests ran WITHOUT THE RACE DETECTOR.' '$(RULE)' >&2
endef

race:
	@if [ -z '$(RACE)' ]; then \
		[ -z "$$AFTER_REQUIRE_RACE" ] || { echo 'AFTER_REQUIRE_RACE asks for the race detector, which needs a C compiler.' >&2; exit 1; }; \
		echo 'There is no C compiler: testing WITHOUT THE RACE DETECTOR.' >&2; \
	fi

npm:
	@if command -v npm >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory $(NPM_STAMPS); \
	elif [ -n "$$AFTER_REQUIRE_NPM" ]; then \
		echo 'npm is not installed, and AFTER_REQUIRE_NPM asks for the suites that need it.' >&2; exit 1; \
	else \
		echo 'npm is not installed: the suites against other servers WILL NOT RUN ($(NPM_SUITES)).' >&2; \
	fi

test/%/node_modules/.package-lock.json: test/%/package.json test/%/package-lock.json
	cd test/$* && npm ci --no-audit --no-fund
	@touch $@

docs:
	$(GO) test ./config -run '^TestDocumentation$$' -count 1 -args -update
	$(GO) test ./cli -run '^TestDocumentation$$' -count 1 -args -update

clean:
	rm -rf bin dist
