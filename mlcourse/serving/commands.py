"""`python -m mlcourse train | serve | adapt | models`: from task data to an answer, on the command line."""

import json
import os
import shlex
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import uvicorn

APP = "mlcourse.serving.app:from_settings"

app = typer.Typer()
models_app = typer.Typer(help="The registry: what there is, and which version answers.", no_args_is_help=True)

Models = Annotated[Path, typer.Option(help="The registry's folder; behind it are the course's own models.")]


@app.command()
def train(
    data: Annotated[
        str, typer.Option(help="sines, glyphs, omniglot, or a folder with a sub-folder a class.")
    ] = "sines",
    method: Annotated[
        str | None, typer.Option(help="maml, anil, meta-sgd (sines); protonet, maml (images).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model; by default the data's.")] = None,
    n_way: Annotated[int, typer.Option(help="Images: classes of a task.", min=2)] = 5,
    k_shot: Annotated[
        int | None, typer.Option(help="Labelled points (10), or images of a class (1).", min=1)
    ] = None,
    meta_steps: Annotated[int | None, typer.Option(help="By default what takes a minute or two.", min=1)] = None,
    channels: Annotated[int, typer.Option(help="Images: width of Conv4.", min=1)] = 16,
    colour: Annotated[bool, typer.Option("--colour", help="A folder: keep the colours of its pictures.")] = False,
    dark_ink: Annotated[bool, typer.Option("--dark-ink", help="A folder: dark on light; ink becomes 1.")] = False,
    seed: Annotated[int, typer.Option(help="Of the start and of the tasks.")] = 0,
    models: Models = Path("models"),
    checkpoint: Annotated[Path | None, typer.Option(help="A stopped run goes on from this file.")] = None,
    promote: Annotated[bool, typer.Option(help="Let the new version answer at once where none is named.")] = True,
) -> None:
    """Meta-train, judge on 600 new tasks, and register the result as a model's next version."""
    from mlcourse.serving import plans

    images = {"n_way": n_way, "channels": channels, "colour": colour, "dark_ink": dark_ink}
    choices = plans.Choices(method=method, k_shot=k_shot, meta_steps=meta_steps, seed=seed, **images)
    where = plans.carry_out(
        data,
        choices,
        name=name or Path(data).name.lower(),
        folder=models,
        checkpoint=checkpoint,
        command=shlex.join(["python", "-m", "mlcourse", *sys.argv[1:]]),
        progress=sys.stderr.isatty(),
        promote_it=promote,
    )
    judged = json.loads((where / "model.json").read_text(encoding="utf-8"))["judged"]
    typer.echo(f"{where}: {judged['metric']} {judged['mean']:.4g} ± {judged['half_width']:.2g} on 600 new tasks")
    typer.echo(f"serve it: python -m mlcourse serve --models {models}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in; then give --tokens.")] = "127.0.0.1",
    port: int = 8000,
    workers: Annotated[int, typer.Option(help="Processes; one for each core.", min=1)] = 1,
    models: Models = Path("models"),
    store: Annotated[str, typer.Option(help="File of the adapters, or redis://HOST:PORT/N.")] = "adapters.sqlite",
    tokens: Annotated[
        Path | None, typer.Option(help="A file with a bearer token in each line.", exists=True)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    most_at_once: Annotated[int, typer.Option(help="Support sets in a batch; 1: none waits for others.")] = 32,
    window_ms: Annotated[float, typer.Option(help="Milliseconds to wait for others who adapt.")] = 3.0,
    max_body: Annotated[int, typer.Option(help="Bytes of a request.")] = 8 * 2**20,
    body_seconds: Annotated[float, typer.Option(help="Within which a body must have come.")] = 10.0,
    max_age: Annotated[float, typer.Option(help="Hours that an adapter is kept.")] = 7 * 24,
) -> None:
    """Serve the models: adapt by POST /adapt, predict by POST /predict, a page to try it at /."""
    import uvicorn

    from mlcourse.serving.settings import Settings, read_tokens

    read_tokens(str(tokens) if tokens else None)  # a bad file is told here, not by every worker
    Settings(
        models=str(models),
        store=store,
        tokens=str(tokens) if tokens else None,
        device=device,
        window=window_ms / 1000,
        most_at_once=most_at_once,
        max_body=max_body,
        body_seconds=body_seconds,
        max_age=max_age * 3600,
    ).to_environment()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers side by side, not threads in each other's way
    typer.echo(
        f"http://{host}:{port}/ to try it, http://{host}:{port}/docs for the requests; Ctrl+C ends it", err=True
    )
    if host not in ("127.0.0.1", "localhost", "::1") and tokens is None:
        typer.echo("Everybody in this network may use it: --tokens FILE asks for a token.", err=True)
    with tempfile.TemporaryDirectory(prefix="mlcourse-metrics-") as counts:
        how: dict[str, Any] = {"host": host, "port": port, "log_level": "warning", "timeout_graceful_shutdown": 5}
        if workers == 1:
            uvicorn.run(APP, factory=True, **how)
        else:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
            _run_several(uvicorn.Config(APP, factory=True, workers=workers, **how))


def _run_several(config: "uvicorn.Config") -> None:
    """As `uvicorn.run` does, but for one option of the socket.

    asyncio sets it on sockets that it makes itself, not on those that workers share; without it the second packet
    of an answer waits until the first one is acknowledged, for 40 ms.
    """
    from uvicorn.supervisors import Multiprocess

    listening = config.bind_socket()
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # those that it accepts inherit it
    Multiprocess(config, [listening]).run()


@app.command()
def adapt(
    tasks: Annotated[list[Path], typer.Argument(help="Files of numpy.savez with x, y and query.", exists=True)],
    model: Annotated[str, typer.Option(help="The model's name.")] = "sines",
    version: Annotated[int | None, typer.Option(help="By default the current one.")] = None,
    models: Models = Path("models"),
) -> None:
    """Adapt to support sets in files and print a line of JSON for each: a short job, without a server."""
    from mlcourse.serving.jobs import run

    failed = 0
    for line in run(tasks, model, version, models):
        failed += "error" in line
        typer.echo(json.dumps(line, ensure_ascii=False))
    raise typer.Exit(1 if failed else 0)


@models_app.command("list")
def models_list(models: Models = Path("models")) -> None:
    """The models and their versions."""
    from mlcourse.serving.registry import Registry

    registry = Registry(models)
    for name in registry.names():
        for version in registry.versions(name):
            judged = registry.record(name, version)["judged"]
            score = f"{judged['metric']} {judged['mean']:.4g} ± {judged['half_width']:.2g}"
            answers = " (answers)" if version == registry.current(name) else ""
            typer.echo(f"{name} {version}{answers}: {score}")


@models_app.command("promote")
def models_promote(name: str, version: int, models: Models = Path("models")) -> None:
    """Let a version answer where none is named; running servers see it within a second."""
    from mlcourse.serving.registry import promote

    promote(name, version, folder=models)
    typer.echo(f"{name}: version {version} answers now")
