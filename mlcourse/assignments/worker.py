"""The process that runs a student's cells and answers the grader's calls. It runs inside walls and holds no test.

    python -m mlcourse.assignments.worker       messages come on stdin, go out on stdout

It imports what sets need, and then forks for each run: the copy runs the cells and answers, so that the next
run begins clean without importing anything again, and what kills a copy does not kill this process.

Messages to it: {"run": [source, …], "student": id, "place": n} runs the cells before the n-th, {"on": n} those
up to a later place; {"get": name} and {"call": name, "with": arguments} ask. Messages from it: {"hello": true};
{"cell": n} before a cell and {"ran": n, "error": …} after it; {"ready": true} at the place; {"value": …},
{"callable": true}, {"missing": true} or {"raised": …} for an answer; {"ask": n, "with": arguments,
"named": arguments}, where the n-th argument was a function of the grader's; {"died": status}. A question has a
number, which its answer carries.
"""

import contextlib
import os
import resource
import traceback
from typing import Any, BinaryIO

from mlcourse.assignments import wire
from mlcourse.assignments.variants import VARIABLE

GIGABYTE = 2**30
OF_A_ROOM = {"matplotlib", "load_ext", "reload_ext", "conda", "pip", "mamba", "uv"}  # magics
# What a copy may use at most, whatever it does. What decides is the grader, which watches the whole tree.
LIMITS = {
    resource.RLIMIT_AS: 3 * GIGABYTE,
    resource.RLIMIT_CPU: 600,
    resource.RLIMIT_FSIZE: GIGABYTE // 64,
    resource.RLIMIT_NOFILE: 128,
    resource.RLIMIT_NPROC: 64,
    resource.RLIMIT_CORE: 0,
}


def main() -> None:
    """Hear and fork until the grader hangs up."""
    hear, say = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # a student's prints go nowhere: a flood costs nothing
        os.dup2(nothing, stream)
    import IPython.core.interactiveshell  # noqa: F401  (before the forks)

    _say(say, {"hello": True})
    while line := hear.readline():
        message = wire.loads(line)
        if "run" not in message:
            continue  # meant for a copy that is gone
        copy = os.fork()
        if copy == 0:
            try:
                confine(LIMITS)
                os.environ[VARIABLE] = message["student"]
                _live(message, hear, say)
            finally:
                os._exit(0)
        ended = (0, 0)
        while ended[0] != copy:  # as process 1 it buries whatever a copy has left behind, too
            ended = os.waitpid(-1, 0)
        _say(say, {"died": ended[1]})


def _say(stream: BinaryIO, message: dict[str, Any]) -> None:
    stream.write(wire.dumps(message))
    stream.flush()


def confine(limits: dict[int, int]) -> None:
    """Limit what this process and its children may use: number in `resource` -> the most. Lower ones stay."""
    for what, most in limits.items():
        there = [limit for limit in resource.getrlimit(what) if limit != resource.RLIM_INFINITY]
        most = min(most, *there) if there else most
        resource.setrlimit(what, (most, most))


def _live(first: dict[str, Any], hear: BinaryIO, say: BinaryIO) -> None:
    """Run cells up to a place and answer there, until the grader hangs up, or ends this copy."""
    shell, cells, place = _shell(first["student"]), first["run"], 0
    message = {"on": first["place"]}
    while True:
        if "on" in message:
            _run(shell, cells, range(place, message["on"]), say)
            place = message["on"]
        else:
            _answer(message, shell.user_ns, hear, say)
        if not (line := hear.readline()):
            return
        message = wire.loads(line)


def _shell(student: str) -> Any:
    """IPython without a terminal, in which cells run."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        def enable_gui(self, gui: str | None = None) -> None:
            """There is no window to open: `%matplotlib inline` has nothing to do."""

        def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
            """What sets up a student's own JupyterLab may fail here, and must not cost the answer below it."""
            with contextlib.suppress(Exception if magic_name in OF_A_ROOM else ()):
                return super().run_line_magic(magic_name, line, _stack_depth + 1)

    config = Config()
    config.HistoryManager.enabled = False
    shell = Shell.instance(config=config)
    shell.user_ns["STUDENT"] = student  # for a notebook that has lost the cell in which it stood
    return shell


def _run(shell: Any, cells: list[str | None], numbers: range, say: BinaryIO) -> None:
    """Run cells, each whatever became of the others; those that are None are left out."""
    from mlcourse.assignments.items import judged_by

    with judged_by(lambda *_: None):  # a notebook's own tests decide nothing here
        for number in numbers:
            if cells[number] is None:
                continue
            _say(say, {"cell": number})
            result = shell.run_cell(cells[number])
            error = result.error_before_exec or result.error_in_exec
            _say(say, {"ran": number, "error": _words(error) if error else None})
    _say(say, {"ready": True})


def _answer(message: dict[str, Any], namespace: dict[str, Any], hear: BinaryIO, say: BinaryIO) -> None:
    """Answer a question of the grader's."""

    def callback(place: int) -> Any:
        def function(*arguments: Any, **named: Any) -> Any:
            given = {"with": wire.encode(list(arguments)), "named": wire.encode(named)}
            _say(say, {"to": message["number"], "ask": place} | given)
            reply = wire.loads(hear.readline())
            if "raised" in reply:
                raise ValueError(reply["raised"])
            return wire.decode(reply["value"])

        return function

    try:
        found = _find(namespace, message.get("get") or message["call"])
        if "call" in message:
            value = found(*wire.decode(message["with"], callback), **wire.decode(message["named"], callback))
            reply = {"value": wire.encode(value)}
        else:
            reply = {"callable": True} if callable(found) else {"value": wire.encode(found)}
    except _Missing:
        reply = {"missing": True}
    except BaseException as error:  # SystemExit too: a call that exits has only not answered
        reply = {"raised": _words(error)}
    _say(say, reply | {"number": message["number"]})


class _Missing(Exception):
    pass


def _find(namespace: dict[str, Any], name: str) -> Any:
    """The object with this name, or with this path, such as `family.sample`."""
    first, *path = name.split(".")
    if first not in namespace:
        raise _Missing
    found = namespace[first]
    for part in path:
        found = getattr(found, part)
    return found


def _words(error: BaseException) -> dict[str, Any]:
    """What the grader hears of an exception: kind, words, and the line of the student's code."""
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if frame.filename.startswith("<ipython-input")]
    try:
        words = str(error)[:500]
    except Exception:
        words = ""
    line = frames[-1].line if frames else getattr(error, "text", None)
    return {"kind": type(error).__name__[:80], "words": words, "line": str(line or "").strip()[:200]}


if __name__ == "__main__":
    main()
