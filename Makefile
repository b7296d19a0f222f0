# The Button's few commands; `make run` is all that a newcomer needs.

PYTHON ?= python3
PY = .venv/bin/python

.PHONY: run setup test test-slow lint bench soak vendor clean

run: .venv/run
	$(PY) app.py

setup: .venv/dev

.venv/run: requirements.txt deploy/setup.sh
	PYTHON=$(PYTHON) sh deploy/setup.sh run
	touch $@

.venv/dev: requirements.txt requirements-dev.txt package.json deploy/setup.sh
	PYTHON=$(PYTHON) sh deploy/setup.sh dev
	touch .venv/run $@

test: .venv/dev
	$(PY) -m pytest -q -m "not slow and not alone" -n 2 --dist loadfile
	$(PY) -m pytest -q -m "alone and not slow"

test-slow: .venv/dev
	$(PY) -m pytest -q -m slow

lint: .venv/dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m bandit -q -c pyproject.toml -r app.py settings.py hardware integrations storage realtime web
	node_modules/.bin/acorn --ecma5 --silent static/*.js static/vendor/*.js
	shellcheck deploy/*.sh deploy/the-button .ci/run tests/*.sh tests/uml/*.sh

bench: .venv/dev
	$(PY) -m bench

soak: .venv/dev
	$(PY) -m bench.soak

vendor:
	sh deploy/vendor.sh

clean:
	rm -rf .venv node_modules .pytest_cache .hypothesis .ruff_cache .mypy_cache
