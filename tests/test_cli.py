"""The command line: text for people, data with --json, one line and exit code 1 for errors."""

import json
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from mlcourse import cli, doctor
from mlcourse.errors import DataError
from mlcourse.experiments import bench, commands, omniglot_table, results, sinusoid
from mlcourse.experiments.bench import libraries
from mlcourse.tasks import store

TABLE = {
    "name": "example",
    "title": "An example",
    "command": "python -m mlcourse example",
    "seeds": [0],
    "hardware": {"cpu": "a processor", "cores": 2, "gpu": "none"},
    "versions": {"python": "3.11", "torch": "2.13", "numpy": "2.4"},
    "wall_seconds": 1.0,
    "date": "2026-01-01",
    "protocol": "Invented for a test.",
    "rows": [
        {"method": "MAML", "values": {"1 step": [0.63, 0.05]}, "published": {"1 step": 0.67}, "source": "T2"},
    ],
}
GLYPHS = {"name": "glyphs", "where": "embedded", "path": "/x.npz", "bytes": 2e6, "about": "A", "licence": "OFL"}


@pytest.fixture
def run(monkeypatch):
    """Run a command line; gives exit code, stdout and stderr apart."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_it(*words):
        return CliRunner().invoke(cli.app, [str(word) for word in words])

    return run_it


def forbid_traceback(result, *, says):
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("Error: ") and says in result.stderr and result.stderr.count("\n") == 1


# --- light, and as documented ------------------------------------------------------------------------------


@pytest.mark.parametrize("modules", ["mlcourse", "mlcourse.cli", "mlcourse.experiments.results, mlcourse.doctor"])
def test_importing_is_light(modules):
    heavy = "{'torch', 'matplotlib', 'IPython', 'pooch', 'PIL'}"
    script = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_help_is_light_and_names_every_command():
    words = [sys.executable, "-X", "importtime", "-m", "mlcourse", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    for command in ("doctor", "data", "reproduce", "results", "bench"):
        assert command in done.stdout
    assert "torch" not in done.stderr and "matplotlib" not in done.stderr


COMMANDS = (
    "doctor",
    "data list",
    "data fetch",
    "data verify",
    "reproduce sinusoid",
    "reproduce transfer",
    "reproduce drawing",
    "results table",
    "bench meta-gradient",
    "bench libraries",
    "bench stream",
    "bench serving",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(run, command):
    shown = run(*command.split(), "--help")
    assert shown.exit_code == 0 and "--json" in shown.stdout


def test_flags_use_the_courses_words(run):
    shown = run("reproduce", "sinusoid", "--help").stdout
    for flag in ("--seeds", "--meta-steps", "--n-tasks", "--out"):
        assert flag in shown


def test_an_unknown_command_is_a_usage_error(run):
    assert run("dance").exit_code == 2


# --- doctor ------------------------------------------------------------------------------------------------


def test_doctor_says_what_is_wrong_and_how_to_mend_it(run, monkeypatch):
    findings = [doctor.Finding("torch", "ok", "2.13"), doctor.Finding("disk", "problem", "full", "free some")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    shown = run("doctor")
    assert shown.exit_code == 1 and "full" in shown.stdout and "-> free some" in shown.stdout
    data = json.loads(run("doctor", "--json").stdout)
    assert data["healthy"] is False
    assert data["findings"][1] == {"name": "disk", "status": "problem", "found": "full", "fix": "free some"}
    monkeypatch.setattr(doctor, "examine", lambda: findings[:1])
    assert run("doctor").exit_code == 0


# --- data --------------------------------------------------------------------------------------------------


def test_data_list(run, monkeypatch):
    monkeypatch.setattr(store, "listing", lambda: [GLYPHS])
    shown = run("data", "list")
    assert shown.exit_code == 0 and all(word in shown.stdout for word in ("glyphs", "embedded", "2.0", "OFL"))
    assert json.loads(run("data", "list", "--json").stdout) == [GLYPHS]


def test_data_fetch(run, monkeypatch):
    monkeypatch.setattr(store, "fetch", lambda name: GLYPHS | {"name": name})
    assert run("data", "fetch", "omniglot").stdout == "omniglot: embedded, /x.npz\n"
    assert json.loads(run("data", "fetch", "omniglot", "--json").stdout)["name"] == "omniglot"


def test_data_verify(run, monkeypatch):
    here, absent = GLYPHS, GLYPHS | {"name": "omniglot", "where": "absent"}
    monkeypatch.setattr(store, "listing", lambda: [here, absent])
    monkeypatch.setattr(store, "verify", lambda name: {"name": name, "ok": name == "glyphs", "detail": "seen"})
    assert run("data", "verify").exit_code == 0 and "omniglot" not in run("data", "verify").stdout
    bad = run("data", "verify", "omniglot", "--json")
    assert bad.exit_code == 1 and json.loads(bad.stdout)[0]["ok"] is False


def test_the_real_listing_is_printed(run):
    assert {found["name"] for found in json.loads(run("data", "list", "--json").stdout)} >= {"glyphs", "omniglot"}


@pytest.mark.parametrize("error", [DataError("no network; try later"), ValueError("no network; try later")])
def test_errors_are_one_line_on_stderr(run, monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(store, "fetch", fail)
    forbid_traceback(run("data", "fetch", "omniglot"), says="no network; try later")
    forbid_traceback(run("data", "fetch", "omniglot", "--json"), says="no network; try later")


def test_an_unknown_data_set_is_named(run):
    forbid_traceback(run("data", "fetch", "omniglott"), says="omniglott")


# --- tables ------------------------------------------------------------------------------------------------


def test_results_table(run, tmp_path):
    path = results.save(TABLE, tmp_path / "example.json")
    shown = run("results", "table", path).stdout
    assert shown.startswith("**An example**\n\n| method | 1 step | published | source |")
    assert "| MAML | 0.630\xa0±\xa00.050 | 0.67 | T2 |" in shown
    assert json.loads(run("results", "table", path, "--json").stdout) == [TABLE]
    assert run("results", "table", path, path).stdout.count("**An example**") == 2


def test_results_table_prints_all_that_are_stored(run):
    stored = len(results.names()) + len(omniglot_table.runs())
    assert len(json.loads(run("results", "table", "--json").stdout)) == stored
    assert run("results", "table", "omniglot").stdout.strip() == omniglot_table.both_splits(omniglot_table.runs())
    forbid_traceback(run("results", "table", "nonsense"), says="there is no table 'nonsense'")


def test_reproduce_sinusoid_passes_its_flags_on(run, monkeypatch, tmp_path):
    asked = []

    def fake(kind, settings, **how):
        asked.append((kind, settings, how))
        return TABLE

    monkeypatch.setattr(commands, "run", fake)
    shown = run("reproduce", "sinusoid")
    assert "| MAML |" in shown.stdout
    out = tmp_path / "table.json"
    small = ("--meta-steps", 10, "--n-tasks", 5)
    run("reproduce", "sinusoid", "--seeds", 3, "--seeds", 4, *small, "--out", out, "--json")
    (kind, first, how), (_, second, more) = asked
    assert kind is sinusoid.Sinusoid and first == sinusoid.Settings()
    assert (how["seeds"], how["out"]) == ((0, 1, 2), None) and (more["seeds"], more["out"]) == ((3, 4), out)
    assert second == sinusoid.Settings(meta_steps=10, n_tasks=5)


def test_bench_stores_and_prints(run, monkeypatch, tmp_path):
    def measure(*, inner_steps, say, **how):
        say("measuring")
        return TABLE | {"protocol": f"{list(inner_steps)} {how}"}

    monkeypatch.setattr(bench, "meta_gradient", measure)
    shown = run("bench", "meta-gradient", "--out", tmp_path / "b.json", "--json")
    said = "[1, 5] {'model': 'sinusoid', 'threads': 1, 'seed': 0}"
    assert shown.stderr == "measuring\n" and json.loads(shown.stdout)["protocol"] == said
    assert results.load(str(tmp_path / "b.json"))["seeds"] == [0]
    assert "**An example**" in run("bench", "meta-gradient", "--inner-steps", 2).stdout
    images = run("bench", "meta-gradient", "--model", "conv4", "--n-tasks", 4, "--device", "cuda", "--repeats", 3)
    for word in ("'conv4'", "'n_tasks': 4", "'device': 'cuda'", "'repeats': 3"):
        assert word in images.stdout


def test_bench_of_the_libraries_passes_on_what_it_is_asked(run, monkeypatch, tmp_path):
    monkeypatch.setattr(libraries, "libraries", lambda *, say, **how: TABLE | {"protocol": f"{how}"})
    shown = run("bench", "libraries", "--inner-steps", 3, "--repeats", 2, "--out", tmp_path / "b.json", "--json")
    said = "{'inner_steps': [3], 'repeats': 2, 'threads': 1, 'seed': 0}"
    assert json.loads(shown.stdout)["protocol"] == said
    assert results.load(str(tmp_path / "b.json"))["protocol"] == said


def test_a_flag_of_the_other_bench_is_refused(run):
    forbid_traceback(run("bench", "meta-gradient", "--channels", 4), says="--channels belongs to --model conv4")


@pytest.mark.parametrize("option", ["--out", "--weights-folder", "--checkpoints"])
def test_an_empty_path_is_not_this_folder(run, option):
    """A shell gives one for a variable that is not set."""
    said = run("reproduce", "omniglot", "--method", "maml", option, "")
    forbid_traceback(said, says="a path is empty; give one, or leave its option out")


# --- judged before work begins -----------------------------------------------------------------------------

WRONG = [  # a command line, and what is said instead of working
    ("results table sinusiod", "there is no table 'sinusiod' (did you mean \"sinusoid\"?); there are: "),
    ("results table omniglott", '(did you mean "omniglot"?)'),
    ("data fetch omnigloth", '(did you mean "omniglot"?); the data sets are glyphs, omniglot'),
    ("reproduce omniglot --method protnet", '(did you mean "protonet"?)'),
    ("reproduce omniglot --method maml --n-way 1", "n_way is 1; give a whole number of at least 2"),
    ("reproduce omniglot --method maml --k-shot 0", "k_shot is 0; give a whole number of at least 1"),
    ("reproduce omniglot --method maml --capture graph", "capture is 'graph'; choose one of auto, eager, "),
    ("reproduce omniglot --method maml --split randomly", '(did you mean "random"?)'),
    ("reproduce omniglot --method maml --set inner_lr=nan", "inner_lr is nan; give a finite number"),
    ("reproduce omniglot --method maml --set iner_lr=1", 'changes no setting (did you mean "inner_lr"?)'),
    ("reproduce omniglot --method maml --budget-seconds 0", "budget_seconds is 0.0; give a number above zero"),
    ("reproduce omniglot --method maml --seeds 0 --seeds 0", "seeds is [0, 0]; give each once"),
    ("reproduce omniglot --method maml --n-tasks 1", "n_tasks is 1; give a whole number of at least 2"),
    ("reproduce omniglot --method maml --out FILE/x.json", "x.json cannot be written (Not a directory)"),
    ("reproduce omniglot --method maml --weights-folder FILE", "cannot be written (Not a directory)"),
    ("reproduce omniglot --method maml --checkpoints FILE", "cannot be written (Not a directory)"),
    ("reproduce sinusoid --meta-steps 0", "meta_steps is 0; give a whole number of at least 1"),
    ("reproduce sinusoid --capture compiled", '(did you mean "compile"?)'),
    ("reproduce sinusoid --seeds -1", "seeds is -1; give a whole number of at least 0"),
    ("reproduce sinusoid --out FOLDER", "cannot be written (it is a folder; name a file in it)"),
    ("reproduce transfer --out FILE/x.json", "x.json cannot be written (Not a directory)"),
    ("reproduce drawing --weights-folder FILE", "cannot be written (Not a directory)"),
    ("reproduce omniglot --method protonet --set inner_lr=7", "inner_lr is 7.0, and protonet has no such setting"),
    ("reproduce omniglot --method maml --set channels=4 --set channels=8", "channels is set to 4 and by "),
    ("reproduce omniglot --method reptile --set batch_size=0", "batch_size is 0; give a whole number of at least"),
    ("reproduce sinusoid --seeds 99999999999999999999", "take whole numbers below 2**64"),
    ("bench meta-gradient --threads 100000", "threads is 100000; this machine has "),
    ("bench meta-gradient --inner-steps 1 --inner-steps 1", "inner_steps is [1, 1]; give one number or more, "),
    ("bench meta-gradient --model conv4 --compile-seconds 0", "compile_seconds is 0.0; give a number above zero"),
    ("bench meta-gradient --model conv5", '(did you mean "conv4"?)'),
    ("bench meta-gradient --model conv4 --n-way 1", "n_way is 1; give a whole number of at least 2"),
    ("bench meta-gradient --out FILE/x.json", "x.json cannot be written (Not a directory)"),
    ("bench serving --rounds 0", "rounds is 0; give a whole number of at least 1"),
    ("bench serving --faults --rounds 3", "--rounds belongs to the load; leave out --faults"),
]


@pytest.mark.parametrize(("line", "says"), WRONG, ids=[line for line, _ in WRONG])
def test_what_is_wrong_is_told_before_anything_is_loaded_or_trained(run, monkeypatch, tmp_path, line, says):
    def work(*_, **__):
        raise AssertionError("it began to work")

    for place in ("mlcourse.training.train", "mlcourse.tasks.omniglot.load", "mlcourse.tasks.glyphs.splits"):
        monkeypatch.setattr(place, work)
    monkeypatch.setattr("mlcourse.experiments.bench.timing.interleaved_medians", work)
    (tmp_path / "file").write_text("")
    names = {"FILE/x.json": tmp_path / "file" / "x.json", "FILE": tmp_path / "file", "FOLDER": tmp_path}
    forbid_traceback(run(*(names.get(word, word) for word in line.split())), says=says)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("line", ["reproduce omniglot --method maml", "bench meta-gradient --model conv4"])
def test_a_gpu_that_is_not_there_is_one_line(run, line):
    says = "device is 'cuda', but torch sees no GPU here; give cpu, or leave it out"
    forbid_traceback(run(*line.split(), "--device", "cuda"), says=says)
