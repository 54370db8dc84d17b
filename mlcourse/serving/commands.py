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

Models = Annotated[Path, typer.Option(help="The registry's folder.")]


@app.command()
def train(
    data: Annotated[
        str, typer.Option(help="sines, glyphs, omniglot, or a folder with a sub-folder a class.")
    ] = "sines",
    method: Annotated[
        str | None, typer.Option(help="maml, anil, meta-sgd (sines); protonet, maml (images).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model; by default the data's.")] = None,
    n_way: Annotated[int, typer.Option(help="Images: classes of a task.")] = 5,
    k_shot: Annotated[int | None, typer.Option(help="Labelled examples, of each class or in all.")] = None,
    meta_steps: Annotated[int | None, typer.Option(help="How long to train.")] = None,
    channels: Annotated[int, typer.Option(help="Images: width of Conv4.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the start and of the tasks.")] = 0,
    models: Models = Path("models"),
    checkpoint: Annotated[Path | None, typer.Option(help="A stopped run goes on from this file.")] = None,
) -> None:
    """Meta-train, judge on 600 new tasks, and register the result as a model's next version."""
    from mlcourse.serving import plans

    choices = plans.Choices(
        method=method, n_way=n_way, k_shot=k_shot, meta_steps=meta_steps, channels=channels, seed=seed
    )
    where = plans.carry_out(
        data,
        choices,
        name=name or Path(data).name.lower(),
        folder=models,
        checkpoint=checkpoint,
        command=shlex.join(["python", "-m", "mlcourse", *sys.argv[1:]]),
        progress=sys.stderr.isatty(),
    )
    judged = json.loads((where / "model.json").read_text(encoding="utf-8"))["judged"]
    typer.echo(f"{where}: {judged['metric']} {judged['mean']:.4g} ± {judged['half_width']:.2g} on 600 new tasks")
    typer.echo(f"serve it: python -m mlcourse serve --models {models}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in; then give --tokens.")] = "127.0.0.1",
    port: int = 8000,
    workers: Annotated[int, typer.Option(help="Processes; one for each core.", min=1)] = 1,
    models: Annotated[
        Path | None, typer.Option(help="A registry's folder; by default models/, if it is there.")
    ] = None,
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

    if models is None and Path("models").is_dir():
        models = Path("models")
    read_tokens(str(tokens) if tokens else None)  # a bad file is told here, not by every worker
    Settings(
        models=str(models) if models else None,
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
    models: Annotated[Path | None, typer.Option(help="A registry's folder.")] = None,
) -> None:
    """Adapt to support sets in files and print a line of JSON for each: a short job, without a server."""
    from mlcourse.serving.jobs import run

    for line in run(tasks, model, version, models):
        typer.echo(json.dumps(line, ensure_ascii=False))


@models_app.command("list")
def models_list(models: Models = Path("models")) -> None:
    """The models and their versions."""
    from mlcourse.serving.registry import Registry

    registry = Registry(models)
    for name in registry.names():
        judged = registry.record(name)["judged"]
        score = f"{judged['metric']} {judged['mean']:.4g} ± {judged['half_width']:.2g}"
        typer.echo(f"{name}: version {registry.current(name)} of {registry.versions(name)}, {score}")


@models_app.command("promote")
def models_promote(name: str, version: int, models: Models = Path("models")) -> None:
    """Let a version answer where none is named; running servers see it within a second."""
    from mlcourse.serving.registry import promote

    promote(name, version, folder=models)
    typer.echo(f"{name}: version {version} answers now")
