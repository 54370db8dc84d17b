# One command for each thing that people do with the course; `make help` lists them.
# Needs make and a Python of at least 3.11, nothing else. Works with GNU make from 3.81 on.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/ready $(VENV)/ready-to-author

# Options, for example: make lab PORT=9999, make lab LAB_OPTIONS="--no-browser --ip 0.0.0.0"
PYTHON ?=
PORT ?=
LAB_OPTIONS ?=
# Anything: what authors and teachers have in JupyterLab beside a learner's things is on, such as nbgrader's menu
TEACH ?=
TEST_OPTIONS ?=
NOTEBOOKS ?=
# The folder of wheels that torch's small CPU build comes from: see README.md. Empty: what pip takes by itself.
TORCH_INDEX ?=
# A folder of wheels that `make wheelhouse` filled, for a room without internet: nothing is then asked of the network.
WHEELHOUSE ?=

LEARNER := .
AUTHOR := .[test,authoring,oracles]

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks book slides wheelhouse update clean clean-all

help:  ## list the targets
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'
	@echo "Options: PORT=9999  LAB_OPTIONS=\"--no-browser\"  PYTHON=/path/to/python3.12"
	@echo "         TEACH=1 (lab with what teachers need: nbgrader's menu, jupytext)"
	@echo "         TORCH_INDEX=https://download.pytorch.org/whl/cpu (the small build of torch, without CUDA)"
	@echo "         WHEELHOUSE=/path/to/wheelhouse (set up from that folder, without internet)"
	@echo "         TEST_OPTIONS=\"-k maml\"  NOTEBOOKS=\"05_maml_from_zero --all\""

# Threads are left alone: `train` takes one for small work by itself, and whoever shares the machine or opens many
# notebooks at a time sets OMP_NUM_THREADS, which the kernels inherit: OMP_NUM_THREADS=1 make lab.
ifneq ($(TEACH),)
lab: export JUPYTER_CONFIG_PATH := $(CURDIR)/$(VENV)/etc/teach$(if $(JUPYTER_CONFIG_PATH),:$(JUPYTER_CONFIG_PATH))
lab: export PATH := $(CURDIR)/$(BIN):$(PATH)  # nbgrader's pages call its command, and alembic, by their names
endif
lab: $(VENV)/ready$(if $(TEACH),-to-author)  ## set the course up if need be, and open it in JupyterLab
	@$(trust_unchanged)
	exec $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
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

slides: $(VENV)/ready-to-author  ## make a deck of slides from each lesson in book/_build/slides
	$(BIN)/python book/slides.py

wheelhouse: $(VENV)/ready-to-author  ## fill the folder wheelhouse/ for rooms without internet: make lab WHEELHOUSE=...
	$(BIN)/python -I -m pip download --quiet -c constraints.txt -d wheelhouse \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) "setuptools>=77" wheel "$(AUTHOR)"

update: export UPDATE = $(update)
update:  ## get a newer course; notebooks that you have changed are kept in answers/
	@exec $(SHELL) -c "$$UPDATE"

clean:  ## remove what was built, but not the environment
	rm -rf book/_build book/_made build dist mlcourse.egg-info .pytest_cache .ruff_cache .hypothesis
	find mlcourse tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

clean-all: export ALONE = $(alone)
clean-all: export REMOVE = $(remove)
clean-all: clean  ## remove the environment too
	@$(look_for_python); if [ -z "$$python" ]; then exec $(SHELL) -ec "$$REMOVE"; fi; \
	exec "$$python" -I -c "$$ALONE" $(SHELL) -ec "$$REMOVE"

# ---- the environment ----

# It is whole when nothing stopped half-way, its Python is there, and it was made here: the environment of a clone
# that was moved or copied still points to the old place, which `ready` holds.
whole = [ ! -e $(VENV)/unfinished ] && [ -f $(VENV)/pyvenv.cfg ] && [ -x $(BIN)/python ] && \
	{ [ ! -s $(VENV)/ready ] || [ "$$(cat $(VENV)/ready)" = "$$(pwd -P)" ]; }
again := $(shell { $(whole); } 2>/dev/null || echo again)
.PHONY: again

# The stamps say: set up completely, with pyproject.toml and constraints.txt as they are now.
# An author's environment holds all that a learner's does, so it sets both.
$(STAMPS): export ALONE = $(alone)
$(STAMPS): export SET_UP = $(set_up)
$(STAMPS): pyproject.toml constraints.txt $(again)
	@$(find_python); exec "$$python" -I -c "$$ALONE" $(SHELL) -c "$$SET_UP" set-up $@

# `unfinished` is there from before the first change until after the last: whatever stops in between, the next call
# begins anew. At the end it becomes `ready`, whose time is thus from before pip read pyproject.toml.
# pip works in this environment or not at all. -I: no file in this folder and no PYTHONPATH gets in its way.
# JupyterLab is told not to ask about its news, and to save a widget as its picture (mlcourse/lessons/widgets/saving.py).
define set_up
set -e
trap 'exit 130' INT TERM  # but not before what runs now has ended
pip="$(BIN)/python -I -m pip --require-virtualenv --disable-pip-version-check"

# Another make may have done it while this one waited.
if $(whole) && [ -f "$$1" ] && [ -z "$$(find pyproject.toml constraints.txt -newer "$$1")" ]; then exit; fi

is_one='import sys; sys.exit(sys.prefix == sys.base_prefix)'
if ! { $(whole) && $(BIN)/python -I -c "$$is_one" && $$pip --version; } >/dev/null 2>&1; then
	echo "Making the environment $(VENV) with $$python ..."
	$(remove)
	mkdir $(VENV)
	touch $(VENV)/unfinished
	"$$python" -I -m venv $(VENV)
fi
pwd -P > $(VENV)/unfinished
rm -f $(STAMPS)
case "$$1" in *author) course='$(AUTHOR)' ;; *) course='$(LEARNER)' ;; esac
echo "Installing the course and what it needs into $(VENV): about a minute, longer the first time."
$$pip install --quiet --no-user -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
	$(if $(WHEELHOUSE),--no-index --find-links $(WHEELHOUSE)) -e "$$course"
mkdir -p $(VENV)/etc/jupyter/labconfig $(VENV)/etc/jupyter/jupyter_server_config.d $(VENV)/etc/teach/labconfig
echo '{"ServerApp": {"jpserver_extensions": {"mlcourse.lessons.widgets.saving": true}}}' \
	> $(VENV)/etc/jupyter/jupyter_server_config.d/mlcourse.json
echo '$(call lab_settings,true)' > $(VENV)/etc/jupyter/labconfig/page_config.json
echo '$(call server_settings,false)' > $(VENV)/etc/jupyter/jupyter_server_config.json
echo '$(call lab_settings,false)' > $(VENV)/etc/teach/labconfig/page_config.json
echo '$(call server_settings,true)' > $(VENV)/etc/teach/jupyter_server_config.json
mv -f $(VENV)/unfinished $(VENV)/ready
[ "$$1" = $(VENV)/ready ] || cp -p $(VENV)/ready "$$1"
endef

# What an author's environment has in JupyterLab beside a learner's is off, so that learners see no menus of graders.
# A package turns itself on in jupyter_server_config.d, whenever pip puts it there; jupyter_server_config.json beside
# that folder wins. With TEACH the settings in etc/teach come before both.
define lab_settings
{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true, "@jupyter/nbgrader": $(1),
	"@jupyter-notebook/lab-extension": $(1), "jupyterlab-jupytext": $(1)}}
endef
define server_settings
{"ServerApp": {"jpserver_extensions": {"jupyterlab_jupytext": $(1), "nbgrader.server_extensions.assignment_list": $(1),
	"nbgrader.server_extensions.course_list": $(1), "nbgrader.server_extensions.formgrader": $(1),
	"nbgrader.server_extensions.validate_assignment": $(1)}}}
endef

# First out of the way, at one stroke: nothing half-removed can then pass for an environment.
define remove
rm -rf $(VENV).removed
if [ -e $(VENV) ] || [ -h $(VENV) ]; then mv $(VENV) $(VENV).removed; fi
rm -rf $(VENV).removed
endef

# Python that runs a command alone in this clone. Told to stop, it stops the command and all that this has started.
# The lock is the kernel's, and the command inherits it: it ends with the last process that holds it, however that
# ended. The file stays; in it is the number of the make that had the lock last.
define alone
import contextlib, fcntl, os, signal, subprocess, sys

def stop(number, frame):
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP, and is meant to
        signal.signal(number, stop)
try:
    lock = open("$(VENV).lock", "a+")
except OSError as error:
    sys.exit(f"The environment cannot be changed here: {error}")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(f"Another make (process {lock.seek(0) or lock.read()}) is setting up $(VENV): waiting for it.", flush=True)
    fcntl.flock(lock, fcntl.LOCK_EX)
except OSError:
    pass  # some network disks know no locks: better without one than not at all
with contextlib.suppress(OSError):  # a full disk, which clean-all is to empty
    os.truncate(lock.fileno(), 0)
    os.write(lock.fileno(), b"%d" % os.getppid())
command = subprocess.Popen(sys.argv[1:], start_new_session=True, pass_fds=[lock.fileno()])
try:
    sys.exit(command.wait())
finally:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):  # after the first, pip tidies up
        try:
            os.killpg(command.pid, number)
            command.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            pass
endef

# Sets $$python to the first Python that is new enough and can make environments, and $$bare to one that cannot.
# The last resort is the Python that the environment was made with.
define look_for_python
python=; bare=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python $(BIN)/python); do \
	"$$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	if "$$candidate" -I -c 'import ensurepip, venv' 2>/dev/null; then \
		python=$$("$$candidate" -I -c 'import sys; print(sys._base_executable)'); export python; break; \
	fi; \
	bare="$${bare:-$$candidate}"; \
done
endef

# The same, or says what is missing.
define find_python
$(look_for_python); \
if [ -z "$$python" ] && [ -n "$$bare" ]; then \
	version=$$("$$bare" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	echo "Found $$bare, but it cannot make environments: its ensurepip module is missing." >&2; \
	echo "On Debian and Ubuntu: sudo apt install python$$version-venv. Then try again." >&2; exit 1; \
fi; \
if [ -z "$$python" ]; then \
	echo "The course needs Python 3.11 or newer, and $(if $(PYTHON),$(PYTHON) is not one,none was found)." >&2; \
	echo "Get one from https://www.python.org/downloads, or name yours: make lab PYTHON=/path/to/python3" >&2; exit 1; \
fi
endef

# A trusted notebook shows its steppers alive before it is run. Only what equals the course's own commit is trusted:
# never a notebook that was changed or added.
define trust_unchanged
for notebook in notebooks/[0-9]*.ipynb; do \
	git ls-files --error-unmatch "$$notebook" >/dev/null 2>&1 && git diff --quiet HEAD -- "$$notebook" || continue; \
	echo "$$notebook"; \
done | xargs $(BIN)/jupyter trust >/dev/null 2>&1 || true
endef

# ---- a newer course ----

# What can go wrong goes wrong before the first change, or is undone. Copies in answers/ never replace others.
define update
set -eu
trap 'exit 130' INT TERM HUP
say() { printf '%s\n' "$$@"; }
refuse() { say "$$@" "Nothing was changed." >&2; exit 1; }

if ! prefix=$$({ git rev-parse --show-prefix; } 2>&1) || [ -n "$$prefix" ]; then
	refuse "This needs git, and a folder that git has cloned. $$prefix"
fi
git rev-parse --quiet --verify '@{upstream}' >/dev/null ||
	refuse "This clone follows no branch of the course. Perhaps you want: git checkout main"
different() { git diff --name-only --no-renames -z "$$@" HEAD | tr '\0' '\n'; }
others=$$(different | grep -v '^notebooks/.*\.ipynb$$' || true)
changed=$$(different --diff-filter=a)  # what was only added is in nobody's way
[ -z "$$others" ] || refuse "You have changed files that are not notebooks:" "$$others" \
	"Put them aside (git stash push FILE), update, and take them back (git stash pop)."
git fetch --quiet || refuse "The newer course cannot be had now: git says why above."
own=$$(git rev-list --count '@{upstream}..HEAD')
[ "$$own" = 0 ] || refuse "This clone has commits that the course does not have ($$own): git pull --rebase keeps them."
new=$$(git rev-list --count 'HEAD..@{upstream}')
if [ "$$new" = 0 ]; then say "You have the newest course. Nothing was changed."; exit; fi

# For each notebook that was changed or removed: $$notebook, and $$copy, where it is kept.
each() { say "$$changed" | while IFS= read -r notebook; do copy=$$kept/$${notebook#notebooks/}; "$$1" || exit 1; done; }
keep() { [ ! -e "$$notebook" ] || { mkdir -p "$$(dirname "$$copy")" && cp -p "$$notebook" "$$copy"; }; }
restore() { git checkout --quiet HEAD -- "$$notebook"; }
put_back() { if [ -e "$$copy" ]; then cp -p "$$copy" "$$notebook"; else rm -f "$$notebook"; fi; }
name() { if [ -e "$$copy" ]; then say "  $$copy"; else say "  ($$notebook, which you had removed, is back)"; fi; }
undo() {
	trap - EXIT
	trap '' INT TERM HUP
	each put_back || { say "Your notebooks are in $$kept, and could not be put back." >&2; exit 1; }
	say "The update failed. Your notebooks are in place as they were; $$kept has copies of them." >&2
	exit 1
}

if [ -n "$$changed" ]; then
	day=answers/$$(date +%Y-%m-%d); kept=$$day; number=1
	mkdir -p answers
	until mkdir "$$kept" 2>/dev/null; do
		[ -e "$$kept" ] || refuse "The folder $$kept cannot be made."
		number=$$((number + 1)); kept=$$day-$$number
	done
	each keep || refuse "Your notebooks could not be copied to $$kept."
	trap undo EXIT
	each restore
fi
trap '' INT TERM HUP  # git does the rest in a moment
git merge --quiet --ff-only '@{upstream}'
trap - EXIT
if [ -n "$$changed" ]; then say "The notebooks that you had changed are kept:"; each name; fi
say "You have the newest course now. Open it with: make lab"
endef
