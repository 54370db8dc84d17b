"""The command line, `python -m mlcourse`: thin; each command calls a module and prints what it returns.

What a command is asked for goes to stdout, as text for people or, with `--json`, as data. Progress and errors
go to stderr; an error is one line and exit code 1. Heavy modules are imported when a command needs them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlcourse import experiments
from mlcourse.assignments import commands as assignments
from mlcourse.errors import DataError
from mlcourse.files import require_place
from mlcourse.serving import commands as serving


class OneLineErrors(TyperGroup):
    """Errors that people can mend are told in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (DataError, ValueError, ModuleNotFoundError, FloatingPointError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=OneLineErrors,
    help="A course on meta-learning: check the set-up, fetch data, make its tables again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
data_app = typer.Typer(help="Data sets: what there is, fetch it, verify it.", no_args_is_help=True)
results_app = typer.Typer(help="Measured tables, as they are stored.", no_args_is_help=True)
bench_app = typer.Typer(help="How long things take on this machine.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(results_app, name="results")
app.add_typer(bench_app, name="bench")
app.add_typer(assignments.app, name="assignment")
app.add_typer(serving.app)
app.add_typer(serving.models_app, name="models")

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]


def place(text: str) -> Path:
    """A path of the command line; an empty one, of a shell variable that is not set, would mean this folder."""
    if not text:
        raise DataError("a path is empty; give one, or leave its option out")  # typer rewords a ValueError
    return Path(text)


Out = Annotated[
    Path | None, typer.Option(parser=place, metavar="PATH", help="Also store the table in this JSON file.")
]
Weights = Annotated[
    Path | None, typer.Option(parser=place, metavar="PATH", help="Store the first seed's parameters here.")
]


def print_json(value: Any) -> None:
    """Data on stdout."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def say(line: str) -> None:
    """A line for people while they wait, on stderr."""
    typer.echo(line, err=True)


def print_grid(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Rows for people, wrapped to the width of the terminal."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*row)
    Console(file=sys.stdout, highlight=False, markup=False).print(grid)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check that everything is there, and say how to mend what is not."""
    from mlcourse import doctor

    findings = doctor.examine()
    if as_json:
        print_json({"healthy": doctor.healthy(findings), "findings": [finding._asdict() for finding in findings]})
    else:
        rows = [(f.status, f.name, f"{f.found}\n-> {f.fix}" if f.fix else f.found) for f in findings]
        print_grid(("", "what", "found"), rows)
    raise typer.Exit(0 if doctor.healthy(findings) else 1)


@app.command()
def passport(as_json: Json = False) -> None:
    """Show which exercises you have passed, when, and in how many tries."""
    from dataclasses import asdict

    from mlcourse.lessons import passport

    found = passport()
    if as_json:
        return print_json(asdict(found))
    typer.echo(repr(found))


@app.command()
def student(out: Annotated[Path, typer.Option(help="A new folder.")] = Path("student")) -> None:
    """Write the students' edition: lessons without solutions, and the problem sets."""
    from mlcourse.assignments import editions

    typer.echo(f"{len(editions.students(out))} notebooks, in {out}")


@app.command()
def instructor(out: Annotated[Path, typer.Option(help="A new folder.")] = Path("instructor")) -> None:
    """Write the instructor's edition: solutions, notes for teaching, what students get wrong, keys."""
    from mlcourse.assignments import editions

    typer.echo(f"{len(editions.instructors(out))} notebooks, in {out}")


# --- data --------------------------------------------------------------------------------------------------


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """List the data sets, and where each was found."""
    from mlcourse.tasks import store

    sets = store.listing()
    if as_json:
        return print_json(sets)
    rows = [(d["name"], d["where"], f"{d['bytes'] / 1e6:.1f}", f"{d['about']}\n{d['licence']}") for d in sets]
    print_grid(("name", "where", "MB", "what it is"), rows)


@data_app.command("fetch")
def data_fetch(name: str, as_json: Json = False) -> None:
    """Bring a data set into the cache: from the mirror, else by download; checked."""
    from mlcourse.tasks import store

    found = store.fetch(name)
    print_json(found) if as_json else typer.echo(f"{found['name']}: {found['where']}, {found['path']}")


@data_app.command("verify")
def data_verify(
    name: Annotated[str | None, typer.Argument(help="One data set; without it, all that are here.")] = None,
    as_json: Json = False,
) -> None:
    """Compare what is here with the published checksums."""
    from mlcourse.tasks import store

    here = [found["name"] for found in store.listing() if found["where"] != "absent"]
    reports = [store.verify(each) for each in (here if name is None else [name])]
    if as_json:
        print_json(reports)
    else:
        print_grid(("", "name", "detail"), [("ok" if r["ok"] else "bad", r["name"], r["detail"]) for r in reports])
    raise typer.Exit(0 if all(report["ok"] for report in reports) else 1)


# --- tables ------------------------------------------------------------------------------------------------


def print_table(table: dict[str, Any], as_json: bool) -> None:
    """A table of results: data, or Markdown to paste."""
    from mlcourse.experiments import results

    print_json(table) if as_json else typer.echo(f"**{table['title']}**\n\n{results.table(table)}")


@results_app.command("table")
def results_table(
    names: Annotated[list[str] | None, typer.Argument(help="Names or JSON files; without them, all.")] = None,
    as_json: Json = False,
) -> None:
    """Print stored tables in Markdown, published numbers next to ours; "omniglot" puts its runs into one table."""
    from mlcourse.experiments import omniglot_table, results

    names = names or [*results.names(), "omniglot"]
    if as_json:
        tables = [omniglot_table.runs() if name == "omniglot" else [results.load(name)] for name in names]
        return print_json([table for some in tables for table in some])
    for number, name in enumerate(names):
        if number:
            typer.echo()
        if name == "omniglot":
            typer.echo(omniglot_table.both_splits(omniglot_table.runs()))
        else:
            print_table(results.load(name), as_json=False)


COMMON = {  # options of every `reproduce NAME`, after those of its settings: by name annotation and default
    "seeds": (
        Annotated[list[int], typer.Option(help="Seeds of the meta-training; repeat for several.")],
        (0, 1, 2),
    ),
    "device": (
        Annotated[str | None, typer.Option(help="cpu or cuda; by default cuda if there is one.")],
        None,
    ),
    "checkpoints": (
        Annotated[
            Path | None, typer.Option(parser=place, metavar="PATH", help="Folder; a stopped run goes on there.")
        ],
        None,
    ),
    "out": (Out, None),
    "weights_folder": (Weights, None),
    "as_json": (Json, False),
}


class Reproduce(OneLineErrors):
    """`reproduce NAME`: made when it is asked for, since an experiment's settings come with torch."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(experiments.NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in experiments.NAMES:
            return None
        from mlcourse.experiments import commands

        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(commands.command(cmd_name, COMMON, show_first, say))
        return typer.main.get_command(alone)


def show_first(table: dict[str, Any], as_json: bool) -> None:
    """Print a table: of several processes under torchrun one does."""
    if os.environ.get("RANK", "0") == "0":
        print_table(table, as_json)


reproduce_app = typer.Typer(cls=Reproduce, help="Make a published table again.", no_args_is_help=True)
app.add_typer(reproduce_app, name="reproduce")


@reproduce_app.callback()
def reproduce() -> None:
    """Make a published table again."""


@bench_app.callback()
def bench() -> None:
    """How long things take on this machine."""


@bench_app.command("meta-gradient")
def bench_meta_gradient(
    model: Annotated[str, typer.Option(help="sinusoid, or conv4 on images.")] = "sinusoid",
    inner_steps: Annotated[list[int], typer.Option(help="Inner steps; repeat for several.")] = (1, 5),
    repeats: Annotated[int | None, typer.Option(help="Rounds in which every contender runs.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of weights and tasks.")] = 0,
    device: Annotated[str | None, typer.Option(help="conv4: cpu or cuda.")] = None,
    n_tasks: Annotated[int | None, typer.Option(help="conv4: tasks of one meta-gradient.")] = None,
    n_way: Annotated[int | None, typer.Option(help="conv4: classes of a task.")] = None,
    k_shot: Annotated[int | None, typer.Option(help="conv4: support images of a class.")] = None,
    n_query: Annotated[int | None, typer.Option(help="conv4: query images of a class.")] = None,
    channels: Annotated[int | None, typer.Option(help="conv4: channels of a block.")] = None,
    compile_seconds: Annotated[float | None, typer.Option(help="conv4: longest wait until one is ready.")] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """One meta-gradient: ours, `higher`, the loops that libraries run, and JAX, if installed."""
    from mlcourse.experiments import bench, results

    if out:
        require_place(out)
    images = {"device": device, "n_tasks": n_tasks, "n_way": n_way, "k_shot": k_shot, "n_query": n_query}
    images |= {"channels": channels, "compile_seconds": compile_seconds, "repeats": repeats}
    given = {name: value for name, value in images.items() if value is not None}
    if model == "sinusoid" and (unused := set(given) - {"repeats"}):
        raise ValueError(f"--{sorted(unused)[0].replace('_', '-')} belongs to --model conv4")
    table = bench.meta_gradient(model=model, inner_steps=inner_steps, threads=threads, seed=seed, say=say, **given)
    if out:
        results.save(table, out)
    print_table(table, as_json)


@bench_app.command("libraries")
def bench_libraries(
    inner_steps: Annotated[list[int], typer.Option(help="Inner steps; repeat for several.")] = (1, 5),
    repeats: Annotated[int, typer.Option(help="Rounds in which every library runs.")] = 40,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of weights and tasks.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """The same meta-gradient in JAX, TensorFlow, higher, TorchOpt and here: agreement and time."""
    from mlcourse.experiments import results
    from mlcourse.experiments.bench import libraries

    if out:
        require_place(out)
    table = libraries.libraries(inner_steps=inner_steps, repeats=repeats, threads=threads, seed=seed, say=say)
    if out:
        results.save(table, out)
    print_table(table, as_json)


@bench_app.command("widgets")
def bench_widgets(
    repeats: Annotated[int, typer.Option(help="Rounds in which every widget is made.")] = 3,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """The seconds to make each widget, and the size that a page stores it in."""
    from mlcourse.experiments import results
    from mlcourse.experiments.bench import widgets

    if out:
        require_place(out)
    table = widgets.making(repeats=repeats)
    if out:
        results.save(table, out)
    print_table(table, as_json)


@bench_app.command("classroom")
def bench_classroom(out: Out = None, as_json: Json = False) -> None:
    """The memory and the processor time that one student takes: for who sizes a shared machine."""
    from mlcourse.experiments import results
    from mlcourse.experiments.bench import classroom

    if out:
        require_place(out)
    table = classroom.students()
    if out:
        results.save(table, out)
    print_table(table, as_json)


@bench_app.command("stream")
def bench_stream(
    gigabytes: Annotated[float, typer.Option(help="Task data to write into a temporary folder.")] = 2.0,
    n_batches: Annotated[int, typer.Option(help="Batches of 25 tasks that are drawn.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed of the tasks.")] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Task data in files: tasks a second and memory, mapped, loaded whole, or by torch's loader."""
    from mlcourse.experiments import results
    from mlcourse.experiments.bench import stream

    if out:
        require_place(out)
    table = stream.stream(gigabytes=gigabytes, n_batches=n_batches, seed=seed, say=say)
    if out:
        results.save(table, out)
    print_table(table, as_json)


@bench_app.command("serving")
def bench_serving(
    faults: Annotated[
        bool, typer.Option("--faults", help="Break it instead: what is lost, what is said.")
    ] = False,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds in which every kind of request runs.", show_default="5")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """The server of adapters under load: requests a second, waiting, processor time, memory."""
    from mlcourse.experiments import results
    from mlcourse.experiments.bench import serving, serving_faults

    if out:
        require_place(out)
    if faults and rounds is not None:
        raise ValueError("--rounds belongs to the load; leave out --faults")
    load = {} if rounds is None else {"rounds": rounds}
    table = serving_faults.faults(say=say) if faults else serving.load(say=say, **load)
    if out:
        results.save(table, out)
    print_table(table, as_json)


def main() -> None:
    """What `python -m mlcourse` runs."""
    app(prog_name="python -m mlcourse")
