# One command for each thing that people do with the course; `make help` lists them.
# Needs make and a Python of at least 3.11, nothing else. Works with GNU make from 3.81 on.

VENV := .venv
BIN := $(VENV)/bin

# Options, for example: make lab PORT=9999, make lab LAB_OPTIONS="--no-browser --ip 0.0.0.0"
PYTHON ?=
PORT ?=
LAB_OPTIONS ?=
TEST_OPTIONS ?=
NOTEBOOKS ?=
# The folder of wheels that torch's small CPU build comes from: see README.md. Empty: what pip takes by itself.
TORCH_INDEX ?=

LEARNER := .
AUTHOR := .[test,authoring,oracles]

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks book clean clean-all

help:  ## list the targets
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'
	@echo "Options: PORT=9999  LAB_OPTIONS=\"--no-browser\"  PYTHON=/path/to/python3.12"
	@echo "         TORCH_INDEX=https://download.pytorch.org/whl/cpu (the small build of torch, without CUDA)"
	@echo "         TEST_OPTIONS=\"-k maml\"  NOTEBOOKS=\"05_maml_from_zero --all\""

lab: $(VENV)/ready  ## set the course up if need be, and open it in JupyterLab
	@$(trust_unchanged)
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
		$$([ "$$(id -u)" != 0 ] || echo --allow-root) $(if $(PORT),--port $(PORT)) $(LAB_OPTIONS)

# One thread of arithmetic per worker: two workers on two cores, not four threads in each other's way.
test: export OMP_NUM_THREADS := 1
test: $(VENV)/ready-to-author  ## run every test, and every notebook from top to bottom
	$(BIN)/python -m pytest tests $(sort $(wildcard notebooks/*.ipynb)) --nbval-lax -n 2 --dist loadfile $(TEST_OPTIONS)

notebooks: $(VENV)/ready-to-author  ## make notebooks/*.ipynb from notebooks/source/*.py, running what changed
	$(BIN)/python notebooks/source/build.py $(NOTEBOOKS)

book: $(VENV)/ready-to-author  ## build the published course in book/_build/html
	$(BIN)/python book/build.py
	$(BIN)/jupyter-book build . --config book/_config.yml --toc book/_toc.yml --path-output book -W --keep-going -n

clean:  ## remove what was built, but not the environment
	rm -rf book/_build book/_made build dist mlcourse.egg-info .pytest_cache .ruff_cache .hypothesis
	find mlcourse tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

clean-all: clean  ## remove the environment too
	rm -rf $(VENV)

# The stamps say: set up completely, with pyproject.toml and constraints.txt as they are now.
# An author's environment holds all that a learner's does, so it sets both.
$(VENV)/ready: pyproject.toml constraints.txt
	@$(call set_up,$(LEARNER))
	@touch $@

$(VENV)/ready-to-author: pyproject.toml constraints.txt
	@$(call set_up,$(AUTHOR))
	@touch $(VENV)/ready $@

# The stamps go first and come back last; `unfinished` stays behind when something stops half-way, and the
# next call then begins anew. So does one whose Python has gone. JupyterLab is told not to ask about its news.
define set_up
set -e; \
rm -f $(VENV)/ready $(VENV)/ready-to-author; \
if [ -e $(VENV)/unfinished ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	$(find_python); \
	echo "Making the environment $(VENV) with $$python ..."; \
	rm -rf $(VENV); mkdir $(VENV); touch $(VENV)/unfinished; \
	"$$python" -m venv $(VENV); \
fi; \
touch $(VENV)/unfinished; \
echo "Installing the course and what it needs into $(VENV): about a minute, longer the first time."; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e "$(1)"; \
mkdir -p $(VENV)/etc/jupyter/labconfig; \
echo '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}' \
	> $(VENV)/etc/jupyter/labconfig/page_config.json; \
rm -f $(VENV)/unfinished
endef

# Sets $$python to the first Python that is new enough and can make environments, or says what is missing.
define find_python
python=; bare=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python); do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python="$$candidate"; break; fi; \
	bare="$${bare:-$$candidate}"; \
done; \
if [ -z "$$python" ] && [ -n "$$bare" ]; then \
	version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	echo "Found $$bare, but it cannot make environments: its ensurepip module is missing." >&2; \
	echo "On Debian and Ubuntu: sudo apt install python$$version-venv. Then try again." >&2; exit 1; \
fi; \
if [ -z "$$python" ]; then \
	echo "The course needs Python 3.11 or newer, and $(if $(PYTHON),$(PYTHON) is not one,none was found)." >&2; \
	echo "Get one from https://www.python.org/downloads, or name yours: make lab PYTHON=/path/to/python3" >&2; exit 1; \
fi
endef

# A trusted notebook shows its steppers alive before it is run. Only what equals the course's own commit is trusted:
# never a notebook that somebody changed or added.
define trust_unchanged
for notebook in notebooks/[0-9]*.ipynb; do \
	git ls-files --error-unmatch "$$notebook" >/dev/null 2>&1 && git diff --quiet HEAD -- "$$notebook" || continue; \
	echo "$$notebook"; \
done | xargs $(BIN)/jupyter trust >/dev/null 2>&1 || true
endef
