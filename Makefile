# `make run` serves The Button; `make help` lists all targets.

PYTHON ?= python3
PY = .venv/bin/python
# RECORD=1 has passing tests update their row in the README's table of tested systems.
# Tests that start no server.
UNIT = tests/unit
# Without compiled modules each server that a test starts compiles them again.
export PYTHONDONTWRITEBYTECODE =

# If the virtual environment's Python is missing, as after a system upgrade, set it up again.
$(shell [ ! -d .venv ] || $(PY) -c '' 2>/dev/null || rm -f .venv/run .venv/dev)

.PHONY: run setup help dev test test-unit test-slow test-arm test-pythons coverage lint fix docs lock bench soak vendor clean

run: .venv/run ## serve http://localhost:8000
	$(PY) app.py

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

dev: .venv/run ## serve, and restart when a file changes
	$(PY) deploy/dev.py

setup: .venv/dev ## install the dependencies of the server and the tests

.venv/run: requirements.txt deploy/requirements-lgpio.txt deploy/setup.sh
	PYTHON=$(PYTHON) sh deploy/setup.sh run
	touch $@

.venv/dev: requirements.txt requirements-dev.txt deploy/requirements-lgpio.txt package-lock.json deploy/setup.sh
	PYTHON=$(PYTHON) sh deploy/setup.sh dev
	touch .venv/run $@

test: .venv/dev ## run the tests, in under 10 minutes
	$(PY) -m pytest -q -m "not slow and not alone and not arm and not pythons" -n 2 --dist loadfile
	TARGET="make test" $(PY) -m pytest -q -m "alone and not slow"

test-unit: .venv/dev ## run the unit tests, in under 20 s
	TARGET="make test-unit" $(PY) -m pytest -q $(UNIT)

coverage: .venv/dev ## measure line coverage, including servers started by tests, in about 10 minutes
	rm -f .coverage .coverage.*
	$(PY) -m coverage run -m pytest -q -m "not slow and not alone" -n 2 --dist loadfile \
	    $(UNIT) tests/hardware tests/storage tests/web tests/system
	$(PY) -m coverage combine -q
	$(PY) -m coverage report --skip-covered

test-slow: .venv/dev ## run the long tests, in under 35 minutes
	TARGET="make test-slow" $(PY) -m pytest -q -m slow

ARM = proot qemu-user-static gcc-aarch64-linux-gnu g++-aarch64-linux-gnu gcc-arm-linux-gnueabihf \
    g++-arm-linux-gnueabihf

test-arm: .venv/dev ## install and run on emulated 64-bit and 32-bit Arm Debian, in about an hour
	dpkg -s $(ARM) >/dev/null 2>&1 || \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(ARM); }
	$(PY) -m pytest -q -m arm

# trixie has Python 3.13, and forky, the next Debian, has 3.14.
SUITES ?= trixie
TESTS ?= test

test-pythons: .venv/dev ## run the tests with the Python of Debian 13, in about 15 minutes
	SUITES="$(SUITES)" TESTS="$(TESTS)" $(PY) -m pytest -q -s -m pythons

fix: .venv/dev ## format the code and apply automatic fixes
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	node_modules/.bin/eslint --fix static
	node_modules/.bin/prettier --write --log-level warn static/*.css

docs: .venv/dev ## regenerate the generated parts of the docs
	PYTHONPATH=.:tests/support $(PY) -m generated_docs

# uv keeps the pinned versions in the files.
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-header

lock: .venv/dev ## pin the dependencies in pyproject.toml, and theirs, with hashes
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(LOCK) --group lgpio --output-file deploy/requirements-lgpio.txt

lint: .venv/dev ## check style, types and security
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/codespell
	$(PY) -m bandit -q -c pyproject.toml -r app.py settings.py hardware integrations storage realtime web
	node_modules/.bin/acorn --ecma5 --silent static/*.js static/vendor/*.js
	node_modules/.bin/eslint static
	node_modules/.bin/prettier --check --log-level warn static/*.css
	shellcheck deploy/*.sh deploy/the-button deploy/the-button-check .ci/run tests/support/*.sh tests/support/uml/*.sh

bench: .venv/dev ## run the benchmarks and write their figures into the docs
	$(PY) -m bench

soak: .venv/dev ## simulate a day in an office, in one hour
	$(PY) -m bench.soak

vendor: ## download the vendored script again
	sh deploy/vendor.sh

clean: ## remove the virtual environment, node_modules and caches
	rm -rf .venv node_modules .pytest_cache .hypothesis .ruff_cache .mypy_cache
