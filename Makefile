# Plain words: demo, test, test-slow, check, bench, docs, fuzz. Each installs what it needs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow check bench docs fuzz clean

demo: $(STAMP)
	$(BIN)/laconic demo --out demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q -m "not slow"

test-slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q -m slow

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The benchmarks that need no data; those on MNIST, CIFAR-10 and public checkpoints say in their headings how they are called.
bench: $(STAMP)
	for name in codec kmeans hostile_cost determinism scale kills onnx_files zoo relu_spiral activations im2col loop; do OMP_NUM_THREADS=1 $(BIN)/python bench/$$name.py || exit 1; done
	$(BIN)/python docs/tables.py

docs: $(STAMP)
	$(BIN)/python docs/tables.py
	$(BIN)/mkdocs build --strict --quiet

fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python bench/fuzz.py --mutants 1000000

# torch first and from its pin: unpinned it would bring gigabytes of CUDA along.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check "$$(grep ^torch== constraints.txt)"
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[compress,dev,accelerate]"
	touch $@

clean:
	rm -rf $(VENV) demo site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src -name '*.nb[ic]' -delete
