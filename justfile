# What is typed while working on the package; `.venv/bin/just` lists it. CONTRIBUTING.md says how .venv is made.

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")
set positional-arguments

_list:
    @just --list --unsorted

# Tests that need little: the answer within about a minute
quick *args:
    python -m pytest -q -m "not slow" "$@"

# All tests: also kills, disks, Spark, S3, browsers and notebooks
test *args:
    python -m pytest -q "$@"

# Style and types, changing nothing
lint:
    ruff check .
    ruff format --check .
    mypy
    pyright

# Put right what ruff can put right
fix:
    ruff check --fix .
    ruff format .

# What the documentation says: examples in docstrings, README, CONTRIBUTING, the code of the notebooks
docs:
    python -m pytest -q handinger_analytics tests/test_documents.py tests/test_notebooks.py

# One benchmark with its options, or all of them: `just bench spend --rows 1000000`
bench name="*" *args:
    shift; for file in tests/benchmarks/bench_{{ name }}.py; do python -m tests.benchmarks.$(basename $file .py) "$@" || exit; done
