# On Linux with Go, npm, and Python 3.11 or newer, two commands are enough:
#   make demo   shows a whole investigation on the local stand-ins
#   make test   runs all tests
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Targets are relative, because make splits names at spaces, which the checkout's path may contain.
BUILD  := .build
VENV   := $(BUILD)/venv
ROOT   := $(CURDIR)
# The interpreter of the virtual environment. If it is empty, scripts/python.sh chooses one.
PYTHON ?=
GO     ?= go

export ALARMTRIAGE_VENV := $(ROOT)/$(VENV)
export ALARMTRIAGE_CDK := $(ROOT)/node_modules/.bin/cdk
export ALARMTRIAGE_PYTHONS ?= $(shell cat $(BUILD)/pythons 2>/dev/null)
# Recipes run on the Node that package.json pins, because the machine's may be too old. npm itself runs on the machine's
# Node, because `npm ci` deletes node_modules while it runs.
MACHINE_PATH := $(PATH)
export PATH := $(ROOT)/node_modules/.bin:$(PATH)
# The construct builds the functions with -trimpath and without C, and one test builds a user's app from a vendor folder with
# -trimpath. With the same settings for all programs, Go compiles CDK and the AWS SDK once. -w leaves out what only debuggers read.
# Without -buildvcs=false, Go does not build in a checkout that another user owns.
export GOFLAGS := $(shell $(GO) env GOFLAGS 2>/dev/null) -trimpath -ldflags=-w -buildvcs=false
export CGO_ENABLED := 0
# The demo and the tests must not see the caller's AWS settings: a profile, a Region, or an endpoint changes what they do.
ifeq ($(filter evals,$(MAKECMDGOALS)),)
unexport $(filter AWS_%,$(.VARIABLES))
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
endif
CORES := $(shell getconf _NPROCESSORS_ONLN)
# CDK's template validator costs seconds in each process. One test runs it for all.
TEMPLATE_TESTS := CDK_VALIDATION=false
# -count=1 turns Go's cache of test results off: it does not notice changed files that another process or module reads. go vet,
# which each module runs with all its checks, is not repeated with a few of them.
GO_TEST := $(GO) test -count=1 -vet=off

# Less frequent garbage collection saves a third of staticcheck's processor time.
STATICCHECK := GOGC=400 "$(ROOT)/$(BUILD)/staticcheck"

.PHONY: help setup demo sample test lint unit command python e2e nag browser evals bench tables schema template clean

# The text after "##" is the description that `make help` prints.
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.done node_modules/.done $(BUILD)/pythons ## install the tools that the other targets need
	@echo "The tools are installed in .build and node_modules."

# An interpreter that was upgraded or removed leaves a link to nothing.
$(VENV)/.done: requirements-dev.txt scripts/python.sh $(shell [ -e $(VENV)/bin/python ] || echo missing-python)
	@mkdir -p $(BUILD)
	python="$(PYTHON)"; python=$${python:-$$(bash scripts/python.sh requirements-dev.txt)} && "$$python" -m venv --clear --system-site-packages $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

missing-python: ;

node_modules/.done: package.json package-lock.json
	PATH="$(MACHINE_PATH)" npm ci --include=dev --no-audit --no-fund --loglevel=error
	@touch $@

# A list of the Python interpreters that the tool is tested with, separated by colons.
$(BUILD)/pythons: $(VENV)/.done scripts/pythons.sh
	bash scripts/pythons.sh "$(ROOT)/$(BUILD)" > $@.new && mv $@.new $@

demo: setup ## show a whole investigation on this machine
	$(GO) run ./demo

sample: demo ## generate the sample report and its pictures in docs/sample-report from a demo
	browser=$$(bash scripts/chromium.sh) && cd integ/browser && ALARMTRIAGE_CHROMIUM="$$browser" $(GO) run ./sample -from ../../$(BUILD)/demo/report -to ../../docs/sample-report

# The tests in e2e wait half of the time, so the last four targets run beside them, one after another. The unit tests run
# alone: the sandbox counts the files of its file system.
test: setup lint unit ## run all checks and tests, as CI does
	$(MAKE) --jobs=2 e2e command python nag browser

lint: ## check with gofmt, go vet, staticcheck, and actionlint, and type-check the command for macOS and Windows
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "gofmt would change these"; exit 1; }
	$(GO) vet ./...
	cd tools && $(GO) vet ./... && $(GO_TEST) ./...
	cd tools && $(GO) build -o ../$(BUILD)/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(STATICCHECK) ./...
	cd cmd/alarmtriage && $(GO) vet ./... && $(STATICCHECK) ./...
	cd tools && $(GO) build -o ../$(BUILD)/actionlint github.com/rhysd/actionlint/cmd/actionlint
	$(BUILD)/actionlint -shellcheck= -pyflakes=

# Go starts packages in the order of its arguments. The longest ones come first, so that the others run beside them. Many
# tests mostly wait, so more run at the same time than there are cores.
unit: ## run the Go tests except those in e2e and integ
	$(TEMPLATE_TESTS) $(GO_TEST) -timeout 15m -p $$(($(CORES) + 1)) -parallel $$((2 * $(CORES))) ./internal/sandbox $$($(GO) list ./... | grep -v -e /e2e -e /evals -e /node_modules/)

# cmd/alarmtriage is a module of its own: the users of the construct do not get its dependencies.
command: ## test the command alarmtriage
	cd cmd/alarmtriage && $(GO_TEST) -timeout 15m ./...

python: ## run the tests of the Python layer on every interpreter found
	cd local/moto && ../../$(VENV)/bin/python -m unittest -q test_accounts test_insights test_metric_data test_metrics test_server
	set -e; IFS=:; for python in $$(cat $(BUILD)/pythons); do echo "$$python"; (cd pythonlayer && $$python -m unittest discover -q -s tests -t .); done

e2e: ## run the tests of the real binaries on the local stand-ins (about 10 minutes)
	$(GO_TEST) -timeout 30m -p $$(($(CORES) + 1)) ./e2e/deploy ./evals ./e2e/... ./evals/...

# integ/nag and integ/browser are separate modules, which keeps their dependencies out of the users' module graph.
nag: ## check the integration stacks with cdk-nag
	cd integ/nag && $(GO) vet ./... && $(TEMPLATE_TESTS) $(GO_TEST) -timeout 10m ./...

browser: ## test the report in a real Chromium
	browser=$$(bash scripts/chromium.sh) && cd integ/browser && $(GO) vet ./... && ALARMTRIAGE_CHROMIUM="$$browser" $(GO_TEST) -timeout 10m ./...

# MODEL is an id or several, separated by commas. RUNS, ONLY, INCIDENTS, and BUDGET (US dollars) are optional.
evals: setup ## let a model investigate staged incidents, on Amazon Bedrock with your AWS credentials (costs money)
	@test -n "$(MODEL)" || { echo 'make evals MODEL=us.anthropic.claude-sonnet-5-5 [RUNS=3] [ONLY=lambda] [INCIDENTS=DIR] [BUDGET=5]'; exit 2; }
	$(GO) run ./evals/run -model "$(MODEL)" $(if $(RUNS),-runs $(RUNS)) $(if $(ONLY),-only $(ONLY)) $(if $(INCIDENTS),-incidents $(INCIDENTS)) $(if $(BUDGET),-budget $(BUDGET))

bench: setup ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchtime 20x ./internal/...
	$(GO) run ./bench/synth
	$(GO) run ./bench/synth -alarms 100,400,1600 -rounds 3
	$(GO) run ./bench/run -runs 3
	$(GO) run ./bench/tool -python "$$(tr ':' '\n' < $(BUILD)/pythons | tail -n 1)" -calls 60 -starts 15

# The broker's tables of AWS operations and endpoints come from the pinned botocore and IAM data, the Regions from CDK, the
# rules of the redaction from the pinned gitleaks.
tables: setup ## generate the tables of the broker, the lists of IAM actions, resources, and Regions, the rules of the redaction, and the marks of reports
	$(VENV)/bin/python scripts/broker_tables.py internal/broker/tables
	$(VENV)/bin/python scripts/iam_actions.py internal/iamactions/actions.txt internal/iamactions/resources.txt
	$(VENV)/bin/python scripts/command_tables.py internal/command
	$(VENV)/bin/python scripts/mark_table.py internal/report/marks.go
	$(GO) run ./scripts/regions internal/models/regions.txt
	cd tools && $(GO) run ./redactrules ../internal/redact/rules.json

# The schemas of the report's JSON and of the completion event come from the Go types.
schema: ## generate the JSON schemas of the report
	cd tools && $(GO) run ./reportschema .. ../schema

# scripts/release.sh writes the same files for a release.
template: node_modules/.done ## write the CloudFormation template and the zip files of a release to dist
	CDK_VALIDATION=false $(GO) run ./template -out dist

clean: ## delete the installed tools and everything that was built
	rm -rf $(BUILD) cdk.out dist
