# Every target sets up what it needs; `make` alone lists them.
PYTHON ?= python3
BIN    := .venv/bin
# requirements.txt makes an environment without the tools of a developer.
REQUIREMENTS ?= requirements-dev.txt

# With their extras: where pip is told of constraints too, it takes `x==1` for no pin of `x[extra]`.
LOCK   := $(BIN)/uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

# The registry is yours: nothing about its use is sent anywhere.
export MLFLOW_DISABLE_TELEMETRY ?= true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION ?= false

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## list the targets
	@echo 'make <target>; options go into ARGS: make experiment_tracking ARGS=--help'
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Several clones share what they can: PIPELINE_VENV=~/venvs make setup
setup: ## make .venv from the lock, or do nothing when it is ready
	@$(PYTHON) environment.py $(REQUIREMENTS)

pipeline: setup ## run the four tasks on the real data
	$(BIN)/python -m pipeline $(ARGS)

data_acquisition_eda: setup ## task 1: check and explore the data
	$(BIN)/python -m pipeline.data_acquisition_eda $(ARGS)
feature_engineering: setup ## task 2: train and evaluate four model families
	$(BIN)/python -m pipeline.feature_engineering $(ARGS)
experiment_tracking: setup ## task 3: register new versions, decide about the champion
	$(BIN)/python -m pipeline.experiment_tracking $(ARGS)
model_packaging: setup ## task 4: package the champion
	$(BIN)/python -m pipeline.model_packaging $(ARGS)
image: setup ## build the Bento and the image of the champion
	$(BIN)/python -m pipeline.image $(ARGS)
verify: setup ## prove that an image answers like its champion; ARGS=IMAGE
	$(BIN)/python -m pipeline.image verify $(ARGS)
serve: setup ## serve the newest package of the champion at http://127.0.0.1:3000
	@package=$$(ls -dt packages/heart_disease_model_v*/ 2>/dev/null | head -n 1); \
	$(BIN)/python -m pipeline.serving --package "$${package:?make one first: make model_packaging}" $(ARGS)
contract: setup ## check the service's answers to generated requests
	$(BIN)/python -m benchmarks.contract $(ARGS)
report: setup ## compare the work tree's models with the live champion
	$(BIN)/python -m pipeline.report $(ARGS)
doctor: setup ## look at the whole registry; ARGS=--repair repairs it
	$(BIN)/python -m pipeline.registry doctor $(ARGS)
history: setup ## show who was champion when, and why
	$(BIN)/python -m pipeline.registry history $(ARGS)
promote: setup ## make a version champion; ARGS='--version heart_disease_svm/7 --reason "WHY"'
	$(BIN)/python -m pipeline.registry promote $(ARGS)
rollback: setup ## put the champion before back; ARGS='--reason "WHY"'
	$(BIN)/python -m pipeline.registry rollback $(ARGS)
branch: setup ## run a command with the registry of the branch; ARGS='-- COMMAND'
	$(BIN)/python -m pipeline.registry branch $(ARGS)
transfer: setup ## move the registry to a server; ARGS='--from branch'
	$(BIN)/python -m pipeline.registry transfer $(ARGS)
release: setup ## take one step of a release; ARGS='prepare v1.2.3'
	$(BIN)/python -m pipeline.release $(ARGS)
github-check: setup ## say what the repository on GitHub lacks; needs gh
	$(BIN)/python -m pipeline.release github $(ARGS)
bench: setup ## measure everything beside what others use; ARGS=serving one part; needs wrk
	$(BIN)/python -m benchmarks $(ARGS)
bench-quick: setup ## the same in a few rounds; writes nothing
	$(BIN)/python -m benchmarks --quick $(ARGS)

test: setup ## run the fast tests and the integration tests this machine can run; ARGS=--task2 those of one task
	$(BIN)/python run_tests.py $(ARGS)
test-fast: setup ## the tests that need no server, engine or browser
	$(BIN)/python run_tests.py --fast $(ARGS)
test-nightly: setup ## faults, races, benchmarks, documentation: what takes long
	$(BIN)/python run_tests.py --nightly $(ARGS)
affected: ## list the integration tests that a change reaches; ARGS=main
	$(PYTHON) -m tests.affected $(ARGS)
test-pythons: setup ## the tests on each supported Python this machine has; PYTHONS="3.12" chooses
	$(BIN)/nox $(if $(PYTHONS),--pythons $(PYTHONS)) $(if $(ARGS),-- $(ARGS))
check: setup ## format, lint, types, docstrings of the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/interrogate --quiet tests
	$(BIN)/hadolint docker/Dockerfile docker/mlflow/Dockerfile
workflow-lint: setup ## lint the workflows and the scripts that they start
	$(BIN)/zizmor --quiet --persona auditor --offline --strict-collection .github
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck -pyflakes ''
	$(BIN)/shellcheck .ci/* docker/mlflow/entry tests/nightly/workflows/programs/*
workflows: setup ## execute the workflows: pull request, merge, release, rollback; needs Docker
	$(BIN)/python -m tests.nightly.workflows.show

faults: setup ## break, kill and race the registry on SQLite and PostgreSQL; takes a while
	$(BIN)/python -m tests.nightly.faults.show $(ARGS)

mlflow-ui: setup ## the registry in a browser, at http://127.0.0.1:5000
	@case "$$MLFLOW_TRACKING_URI" in \
	http*) page=$${MLFLOW_TRACKING_URI#*://}; echo "the registry's page is $${MLFLOW_TRACKING_URI%%:*}://$${page##*@}";; \
	*) MLFLOW_BACKEND_STORE_URI="$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" $(BIN)/mlflow ui --port 5000;; \
	esac
# The client of the accounts imports the whole server, which warns of its own dependencies.
mlflow-secrets: setup ## write the passwords of the team's server that are not there yet
	PYTHONPATH=. $(BIN)/python -W ignore docker/mlflow/accounts.py secrets $(ARGS)
mlflow-accounts: setup ## give ci and reader their grants at the team's server
	PYTHONPATH=. $(BIN)/python -W ignore docker/mlflow/accounts.py accounts $(ARGS)
lock: setup ## write requirements*.txt again from requirements*.in
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-dev.txt requirements-dev.in
	$(LOCK) --constraints requirements.txt --output-file requirements-serving.txt requirements-serving.in
	$(LOCK) --constraints requirements.txt --output-file docker/mlflow/requirements.txt docker/mlflow/requirements.in
	$(LOCK) --output-file benchmarks/rivals/requirements.txt benchmarks/rivals/requirements.in
clean: ## remove what the commands made, except the registry
	rm -rf data/processed figures reports models packages environments images .bench .bentoml .nox .coverage .coverage.* coverage.xml .mypy_cache .pytest_cache .ruff_cache .hypothesis

.PHONY: help setup pipeline data_acquisition_eda feature_engineering experiment_tracking model_packaging image verify serve contract report doctor history promote rollback branch transfer release github-check bench bench-quick test test-fast test-nightly affected test-pythons check workflow-lint workflows faults mlflow-ui mlflow-secrets mlflow-accounts lock clean
