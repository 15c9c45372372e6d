# slotq: everything that a developer types. `make` alone lists it.

MODULES     := api manager shared test worker
PACKAGES    := $(MODULES:%=./%/...)
# With the queues that the benchmarks set beside slotq: checked as all code is, and in no test of slotq. They are not in the
# workspace, so that nobody who builds slotq has to fetch them.
LINTED      := $(MODULES) peers
# Attacks and failovers take minutes and have the machine to themselves: make faults runs them.
TESTED      := $$(go list $(PACKAGES) | grep -v -e /test/faults/hostile -e /test/faults/cluster)
# What runs only without the race detector, since it takes one step after the other: the model, long lists and scans, and the
# count of rows that each statement reads with a million jobs.
ALONE       := TestConformance/(model|list|scan)|TestNoStatementReads
# And what runs once more without it: the simulation, which takes a fortieth of its seeds under it, and that a seed replays,
# which it prevents on purpose. The simulation goes first: it takes longest, on one processor.
IN_FULL     := -run "$(ALONE)|TestPromisesHold|TestPlanted|TestADeadWorkers|TestASeedReplays" \
	./test/simulation ./test/e2e ./shared/store/sqlite ./shared/store/mysql ./shared/store/postgres
FUZZTIME    ?= 30s
BINARIES    := api worker manager
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS     := -X github.com/slotq/slotq/shared/service.version=$(VERSION)

# Private MariaDB and PostgreSQL servers while a command runs; SLOTQ_TEST_MYSQL_URL and SLOTQ_TEST_POSTGRES_URL name
# others. Built rather than `go run`: a SIGTERM to `go run` would not reach it.
WITH_SERVERS := bin/with-servers

# Two packages at a time: more would only make the databases' tests slow on small machines.
GOTEST := go test -p 2 -timeout 15m
# The race detector watches all but the C of SQLite, translated to Go: that memory is not Go's, the detector passes over it, and
# asking it at each access was two thirds of the time of the tests on SQLite.
RACE   := -race -gcflags=modernc.org/sqlite/lib=-race=false

.DEFAULT_GOAL := help
.PHONY: help run up build release vuln test race fuzz lint bench bench-quick faults faults-ci mutants tidy clean $(WITH_SERVERS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run api, worker and manager on an embedded database
	@deploy/run.sh

up: ## run everything in containers: docker compose with MySQL, Prometheus and Grafana
	@deploy/env.sh
	@docker compose up --build --detach

build: ## build the binaries into bin/
	@for b in $(BINARIES); do go build -trimpath -ldflags '$(LDFLAGS)' -o bin/$$b ./$$b || exit; done

release: ## archives of static binaries for each platform with SBOMs and checksums, into dist/
	@VERSION=$(VERSION) deploy/release.sh

vuln: ## known vulnerabilities in what is linked into the binaries
	@d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT && \
		for b in $(BINARIES); do GOWORK=off go build -C $$b -o $$d/$$b . || exit; done && .ci/vuln $$d/*

$(WITH_SERVERS):
	@go build -o $@ ./shared/store/dbserver/cmd/with-servers

test: $(WITH_SERVERS) ## all tests, with the race detector, on database servers of their own
	@$(WITH_SERVERS) --fast -- sh -c '$(GOTEST) $(RACE) -skip "$(ALONE)" $(TESTED) && $(GOTEST) -v $(IN_FULL) && $(GOTEST) -tags ledger -run Ledger ./shared/store/sqlstore'

race: $(WITH_SERVERS) ## all tests three times in shuffled order, for what happens rarely
	@$(WITH_SERVERS) --fast -- sh -c '$(GOTEST) -timeout 45m $(RACE) -count 3 -shuffle on $(TESTED)'

fuzz: ## every decoder against made-up input, FUZZTIME each
	@for d in $$(grep -rl '^func Fuzz' --include='*_test.go' $(MODULES) | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z]*' $$d/*_test.go | cut -c6-); do \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) ./$$d || exit; done; done

lint: ## formatting, vet, staticcheck, each module on its own, file sizes
	@bad=$$(gofmt -l $(LINTED) docs); [ -z "$$bad" ] || { echo "not gofmt-ed (gofmt -w):" $$bad; exit 1; }
	@long=$$(find $(LINTED) -name '*.go' -exec wc -l {} + | awk '$$2 != "total" && $$1 > 500 { print $$2 " (" $$1 ")" }'); \
		[ -z "$$long" ] || { echo "over 500 lines, split by concern:" $$long; exit 1; }
	@go vet $(PACKAGES) && go vet -tags ledger ./shared/store/... ./test/faults/... && go vet -tags mutant ./shared/store/... ./worker/...
	@for m in $(LINTED); do (cd $$m && GOWORK=off go build -o /dev/null ./...) || { echo "$$m does not build without go.work (make tidy)"; exit 1; }; done
	@go run $(STATICCHECK) $(PACKAGES)
	@cd peers && export GOWORK=off && go vet ./... && go run $(STATICCHECK) ./...

bench: ## benchmarks beside other queues, hours; writes BENCHMARKS.md
	@go run ./test/bench --report BENCHMARKS.md

bench-quick: ## some of the same in minutes, ratios only, for comparing two trees
	@go run ./test/bench --quick

faults: ## all fault runs, about two hours; writes FAULTS.md
	@go run ./test/faults --report FAULTS.md

faults-ci: ## the part of the fault runs that every change must pass, about two minutes
	@go run ./test/faults --ci
	@go test -run 'Hostile|Head' ./test/faults/hostile

mutants: ## planted bugs, each caught by its test
	@go run ./test/mutants

tidy: ## go mod tidy in every module
	@for m in $(LINTED); do (cd $$m && go mod tidy) || exit; done
	@go work sync

clean: ## remove what was built and the local database
	@rm -rf bin data dist
