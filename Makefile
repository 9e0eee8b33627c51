# Parley's tasks. Everything longer than a line is in scripts/.

SHELL       := bash
FUZZTIME    ?= 30s
SOAK        ?= 300
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

# A checkout without usable version control must still build.
GOFLAGS ?= -buildvcs=false
export GOFLAGS FUZZTIME

# npm writes this file last; it is our mark of a finished installation.
CLIENTS := interop/node_modules/.package-lock.json

# The same for pip. Autobahn's cases, two of the living peers, and clients of SignalR and Socket.IO are in Python.
PYTHON := .tools/python/installed

# And for Maven.
JAVA := interop/java/target/installed

# And clients from Debian's packages: one is compiled here.
DEBIAN := .tools/debian/Client.exe

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check test-go test-node test-browser test-autobahn autobahn test-peers peers test-debian test-clients interop-all soak lint bench fuzz fmt

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start the demo server on 127.0.0.1:8080 (ARGS="--listen host:port" for another address)
	@scripts/clients $(CLIENTS)
	go build -o bin/parley ./cmd/parley
	@exec bin/parley demo $(ARGS)

test: check test-go test-node test-browser test-autobahn test-peers test-debian test-clients ## Run every test, stopping at the first that fails

check: ## Check formatting and run go vet
	@scripts/formatted
	go vet work

test-go: ## Run the Go tests of every module under the race detector
	go test -race work

test-node: $(CLIENTS) ## Run the unmodified clients in Node against a demo server, and Go's against npm's
	@scripts/interop interop/*.test.mjs
	cd interop && go test -race ./goclient

test-browser: $(CLIENTS) ## Drive the demo's pages in Chromium (CHROMIUM=path for another one)
	@scripts/browser

test-autobahn: ## Run Autobahn's cases but those of size and compression (left out where pip has no network, but not in CI)
	@scripts/unless-offline $(PYTHON) "Autobahn's cases" scripts/autobahn quick

autobahn: $(PYTHON) ## Run all of Autobahn's cases, against the server and the client
	@scripts/autobahn all

test-peers: $(CLIENTS) ## Talk to other WebSocket implementations, 300 messages each (those in Python left out as above)
	@scripts/peers quick ws undici chromium
	@scripts/unless-offline $(PYTHON) "the peers in Python" scripts/peers quick websockets wsproto

peers: $(CLIENTS) $(PYTHON) ## The same with 10,000 messages each, and with the implementations in Go
	@scripts/peers all

test-debian: ## Talk to WebSocket clients from Debian: Perl's by drafts 76, 8 and 13, Mono's (left out as above)
	@scripts/unless-offline $(DEBIAN) "the clients from Debian" go run -race ./interop/debian $(DEBIAN)

test-clients: $(CLIENTS) ## Run the SignalR and Socket.IO clients that are not from npm against a hub (left out as above)
	@scripts/unless-offline $(PYTHON) "the clients in Python" scripts/signalr-clients python
	@scripts/unless-offline $(JAVA) "the SignalR client in Java" scripts/signalr-clients java

interop-all: $(PYTHON) $(JAVA) test-node test-browser ## Run every unmodified client against a hub, and leave none out
	@scripts/signalr-clients python
	@scripts/signalr-clients java
	@scripts/signalr-clients room

soak: $(CLIENTS) $(PYTHON) ## Let clients of SignalR and Socket.IO come and go, each for SOAK seconds (300), and look for what they leave behind
	@scripts/signalr-clients soak $(SOAK)

lint: check ## Run vet and staticcheck in every module
	go run $(STATICCHECK) work

bench: ## Compare the engine with its rivals and write docs/benchmarks.md (BENCH=short: 2 minutes; ARGS="-run regexp": single cases)
	@scripts/bench $(ARGS)

fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@scripts/fuzz

fmt: ## Format every Go file
	go fmt work

$(CLIENTS): interop/package.json interop/package-lock.json
	cd interop && npm ci --no-audit --no-fund
	@touch $@

$(PYTHON): interop/requirements.txt scripts/python
	@scripts/python $@

$(DEBIAN): interop/debian/Client.cs scripts/debian
	@scripts/debian $@

$(JAVA): interop/java/pom.xml scripts/java
	@scripts/java $@
