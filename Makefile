# Two commands do everything on a machine with Go, npm and Python 3.11 or newer:
#   make demo   a whole investigation on the local stand-ins
#   make test   all tests
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUILD  := $(CURDIR)/.build
VENV   := $(BUILD)/venv
PYTHON ?= python3
GO     ?= go

export ALARMTRIAGE_VENV := $(VENV)
export ALARMTRIAGE_CDK := $(CURDIR)/node_modules/.bin/cdk
export ALARMTRIAGE_PYTHONS ?= $(shell cat $(BUILD)/pythons 2>/dev/null)
# Recipes run the Node that package.json pins, so that an older one on the machine does no harm. npm itself runs on the
# machine's Node, because `npm ci` deletes node_modules while it runs.
MACHINE_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# The validator that CDK loads into each process is run once, by its own test, not by each of them.
TEMPLATE_TESTS := CDK_VALIDATION=false

.PHONY: help setup demo sample test lint unit python e2e nag browser bench tables schema clean

help:
	@echo "make demo    show a whole investigation on this machine"
	@echo "make sample  make the sample report and its pictures (docs/sample-report) from a demo"
	@echo "make test    run all tests"
	@echo "make lint    go vet, gofmt and staticcheck"
	@echo "make bench   run the benchmarks"
	@echo "make schema  generate the JSON schemas of the report"
	@echo "make tables  generate the tables of the broker and of the redaction"

setup: $(VENV)/.done node_modules/.done $(BUILD)/pythons

$(VENV)/.done: requirements-dev.txt
	@mkdir -p $(BUILD)
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/.done: package.json package-lock.json
	PATH="$(MACHINE_PATH)" npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# The interpreters that the tool is tested with.
$(BUILD)/pythons: $(VENV)/.done scripts/pythons.sh
	bash scripts/pythons.sh $(BUILD) > $@.new && mv $@.new $@

demo: setup
	$(GO) run ./demo

sample: demo
	browser=$$(bash scripts/chromium.sh) && cd integ/browser && ALARMTRIAGE_CHROMIUM="$$browser" $(GO) run ./sample -from $(BUILD)/demo/report -to ../../docs/sample-report

test: setup lint unit python e2e nag browser

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "gofmt would change these"; exit 1; }
	$(GO) vet ./...
	cd tools && $(GO) vet ./... && $(GO) test -count=1 ./...
	cd tools && $(GO) build -o $(BUILD)/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(BUILD)/staticcheck ./...

# -count=1 here and below: Go's cache of results knows nothing of files that another process or another module's test reads.
unit:
	$(TEMPLATE_TESTS) $(GO) test -count=1 -timeout 15m $$($(GO) list ./... | grep -v -e /e2e -e /node_modules/)

python:
	set -e; IFS=:; for python in $$(cat $(BUILD)/pythons); do echo "$$python"; (cd pythonlayer && $$python -m unittest discover -q -s tests -t .); done

e2e:
	$(GO) test -count=1 -timeout 20m ./e2e/...

# cdk-nag's AwsSolutions rules. A module of its own, as the next one: the users' graph stays without it.
nag:
	cd integ/nag && $(GO) vet ./... && $(TEMPLATE_TESTS) $(GO) test -count=1 -timeout 10m ./...

# The report in a real browser. A module of its own: nothing of it is compiled at the users' synth.
browser:
	browser=$$(bash scripts/chromium.sh) && cd integ/browser && $(GO) vet ./... && ALARMTRIAGE_CHROMIUM="$$browser" $(GO) test -count=1 -timeout 10m ./...

bench: setup
	$(GO) test -run '^$$' -bench . -benchtime 20x ./internal/...
	$(GO) run ./bench/synth
	$(GO) run ./bench/tool -python "$$(tr ':' '\n' < $(BUILD)/pythons | tail -n 1)" -calls 60 -starts 15

# What the broker knows of AWS's operations and endpoints, from the pinned botocore and IAM data, and
# the rules of redaction, from the pinned gitleaks.
tables: setup
	$(VENV)/bin/python scripts/broker_tables.py internal/broker/tables
	cd tools && $(GO) run ./redactrules ../internal/redact/rules.json

# The schemas of the report's JSON and of the completion event, from the Go types.
schema:
	cd tools && $(GO) run ./reportschema .. ../schema

clean:
	rm -rf $(BUILD) cdk.out
