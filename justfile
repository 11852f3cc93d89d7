# What is typed while working on the package; `.venv/bin/just` lists it. CONTRIBUTING.md says how .venv is made.

bin := justfile_directory() / ".venv" / if os_family() == "windows" { "Scripts" } else { "bin" }
export PATH := bin + if os_family() == "windows" { ";" } else { ":" } + env("PATH")

_list:
    @just --list --unsorted

# Tests that need little: the answer within about a minute
quick *args:
    python -m pytest -q -m "not slow" {{ args }}

# All tests: also kills, disks, Spark, S3, browsers and notebooks
test *args:
    python -m pytest -q {{ args }}

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

# Benchmarks, one after the other; `just bench spend --rows 1000000` runs one with its options
bench name="" *args:
    {{ if name != "" { "python -m tests.benchmarks.bench_" + name + " " + args } else { \
       "for file in tests/benchmarks/bench_*.py; do python -m tests.benchmarks.$(basename $file .py) || exit; done" } }}
