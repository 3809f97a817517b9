# Everything a newcomer needs is `make run` and `make test`; both set up the virtual environment first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help image-check kube-check helm-docs helm-tools run demo test chaos chaos-short golden-go golden-sprig fuzz-go fuzz-sprig audit sbom lint types floors check clean bench bench-peers bench-smoke

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "pagerduty-subscriber needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment (on Debian: apt install python3-venv)"; exit 1; }
	@echo "installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: $(STAMP)  ## start the service on a real embedded nats-server, publish a sample delivery, keep running
	@exec $(BIN)/pagerduty-subscriber run --embedded --sample

demo: $(STAMP)  ## the same, finite: exits 0 only if every expected alert state was reached
	@exec $(BIN)/pagerduty-subscriber demo

test: $(STAMP)  ## every test but the chaos run, live ones against a real nats-server included
	@$(BIN)/python -m pytest -n 2 --dist loadscope -q -m 'not chaos'

chaos: $(STAMP)  ## the long chaos run, one server and then a cluster of three: about 20 minutes (SEED=7)
	@$(BIN)/python tests/chaos/chaos_run.py $(if $(SEED),--seed $(SEED))
	@$(BIN)/python tests/chaos/chaos_run.py --servers 3 $(if $(SEED),--seed $(SEED))

chaos-short: $(STAMP)  ## the chaos run of CI: under a minute (SEED=7)
	@$(BIN)/python tests/chaos/chaos_run.py --short $(if $(SEED),--seed $(SEED))

golden-go: $(STAMP)  ## record again what real Go says to our templates (needs go)
	@$(BIN)/python tests/golden/go/record.py

golden-sprig: $(STAMP)  ## record again what real sprig and Alertmanager say (needs go and its module proxy)
	@$(BIN)/python tests/golden/sprig/record.py

COUNT ?= 20000
fuzz-go: $(STAMP)  ## random templates through real Go and through us (needs go; COUNT=100000 SEED=1)
	@$(BIN)/python tests/golden/go/fuzz.py --count $(COUNT) $(if $(SEED),--seed $(SEED))

fuzz-sprig: $(STAMP)  ## random calls through real sprig and through us (needs go; COUNT=100000)
	@$(BIN)/python tests/golden/sprig/fuzz.py $(COUNT) $(SEED)

helm-docs: $(STAMP)  ## make the chart's schema and README again from values.yaml and the models
	@$(BIN)/python helm/schema/generate.py

# Versions of what checks the chart beside Helm 4's SDK; a Helm built from source
# believes in a very old Kubernetes: `--kube-version`.
HELM3      := v3.22.0
KUBE_SCORE := v1.20.0
helm-tools:  ## build Helm 3 and kube-score into .tools/bin, for the chart's tests (needs go)
	@mkdir -p .tools/bin
	@GOBIN=$(CURDIR)/.tools/bin GOFLAGS= nice go install -trimpath -ldflags '-s -w' helm.sh/helm/v3/cmd/helm@$(HELM3)
	@GOBIN=$(CURDIR)/.tools/bin GOFLAGS= nice go install -trimpath -ldflags '-s -w' github.com/zegl/kube-score/cmd/kube-score@$(KUBE_SCORE)

bench: $(STAMP)  ## speed beside the peers: benchmarks/RESULTS.md, 20 minutes (ONLY=act ROUNDS=5 WHO=ours)
	@$(BIN)/python benchmarks/bench.py run $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WHO),--who $(WHO))

bench-peers: $(STAMP)  ## install what the benchmark compares with (pip, npm, go) into benchmarks/.peers
	@$(BIN)/python benchmarks/bench.py peers

bench-smoke: $(STAMP)  ## every benchmark with tiny counts, under a minute: fails on a broken harness
	@$(BIN)/python benchmarks/bench.py smoke

image-check: $(STAMP)  ## build the container image and run it read-only (needs root, buildah, debootstrap)
	@$(BIN)/python tests/image/image_check.py

kube-check: $(STAMP)  ## install the chart into a real Kubernetes API server (needs go, etcd; once 15 minutes)
	@$(BIN)/python tests/kube/kube_check.py

audit: $(STAMP)  ## known vulnerabilities of what we ship; SKIPPED, loudly, without a database
	@$(BIN)/python .ci/supply.py audit

sbom: $(STAMP)  ## the parts list of a production installation, CycloneDX: dist/sbom.cdx.json
	@$(BIN)/python .ci/supply.py sbom

lint: $(STAMP)  ## style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## strict types
	@$(BIN)/mypy
	@$(BIN)/mypy helm/schema

floors: $(STAMP)  ## the import floors of docs/architecture.md
	@$(BIN)/lint-imports --no-cache

check: lint types floors test  ## style, types, floors, tests; .ci/run adds chaos, fuzz, audit, benchmarks' smoke

clean:  ## remove the virtual environment, caches and the embedded server's data
	rm -rf $(VENV) .state build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
