"""A student's process, seen from the grader: start it, have it run cells, ask it for answers, end it.

What decides is processor time, so that a busy machine changes no score: wall time is only a backstop, for what
sleeps. Whatever happens on the other side is an answer or a `Lost`; nothing that comes from there is run here.
"""

import builtins
import contextlib
import os
import secrets
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from mlcourse.assignments import walls, wire

SECONDS_A_CELL, SECONDS_A_CALL, SECONDS_IN_ALL = 20.0, 10.0, 180.0  # of processor time
SECONDS_FOR_A_START = 30.0  # of this course's own imports
PATIENCE = 4.0  # wall time at most, in units of the processor time that was allowed
MEMORY = 3 * 2**30  # bytes that the whole tree may hold
PROCESSES = 48
FILES = 256  # open ones of the whole tree: some are memory
LONGEST = 32 * 2**20  # bytes of one answer
LOSSES = 8  # how often a submission may lose its process
LOOK = 0.25  # seconds between two looks at the tree


class Lost(Exception):
    """The student's process is gone, or was ended; the words say why."""


class Missing(Exception):
    """There is no answer with this name."""


class Box:
    """One process inside walls; a context manager that leaves nothing running."""

    def __init__(self, wall: walls.Wall):
        self.wall = wall
        self.used, self._spent = 0.0, 0.0  # seconds of processor time: of trees that are gone, and of this one
        self._since = self._looked = time.monotonic()
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Box":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, and wait until it has imported what it needs."""
        self.close()
        command = [
            *walls.around(self.wall, walls.made_before()),
            sys.executable,
            "-m",
            "mlcourse.assignments.worker",
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=walls.environment(),
            cwd="/",
            start_new_session=True,
            preexec_fn=walls.own_keyring,
        )
        self._pending, self._unsent, self._complete = bytearray(), b"", False
        self._keepers = self._tree()
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)
        self.allow(SECONDS_FOR_A_START, "the start")
        self.hear()
        self._keepers = self._tree()

    def close(self) -> None:
        """End the process and all that it has started."""
        if self._process is None:
            return
        self.used, self._spent = self.used + self._spent, 0.0
        # bubblewrap's inner process takes all with it, and is gone when all are
        tree = self._keepers if self.wall == "bubblewrap" else self._tree()
        self._process.kill()
        for process in tree:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.wait()
        until = time.monotonic() + SECONDS_A_CALL
        while any(map(_lives, tree)) and time.monotonic() < until:
            time.sleep(0.01)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None

    @property
    def running(self) -> bool:
        """Whether there is a process that can be asked."""
        return self._process is not None

    @property
    def exhausted(self) -> bool:
        """Whether the submission has had all the time that one may have."""
        long = time.monotonic() - self._since > PATIENCE * SECONDS_IN_ALL
        return long or self.used + self._spent > SECONDS_IN_ALL

    def end_run(self) -> bool:
        """End the copy that ran the cells; return whether the process is ready for another run."""
        for process in self._tree():
            if process not in self._keepers:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self.allow(SECONDS_A_CALL, "the end")
        try:
            while "died" not in self.hear():
                pass
        except Lost:
            return False
        return True

    def say(self, message: dict[str, Any]) -> None:
        """Send a message; `hear` sends on what the pipe does not take at once."""
        self._unsent = wire.dumps(message)

    def allow(self, seconds: float, what: str) -> None:
        """Begin to count: so much processor time may the tree use from now on, for what, in words."""
        self._allowed, self._what, self._began, self._before = seconds, what, time.monotonic(), None

    def hear(self) -> dict[str, Any]:
        """Return the next message. However many come, all count against what was allowed last.

        Raises:
            Lost: the tree used more time, memory or processes than it may, or died, or said what is no message.
        """
        outgoing, incoming = self._process.stdin, self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(incoming, selectors.EVENT_READ)
            if self._unsent:
                selector.register(outgoing, selectors.EVENT_WRITE)
            while True:
                if time.monotonic() - self._looked >= LOOK:
                    self._look()
                if self._complete:
                    break
                for key, _ in selector.select(LOOK):
                    if key.fileobj is outgoing:
                        if self._send():
                            selector.unregister(outgoing)
                    else:
                        self._receive()
        line, _, self._pending = self._pending.partition(b"\n")
        self._complete = b"\n" in self._pending
        try:
            return wire.loads(bytes(line))
        except wire.Unreadable as error:
            raise self._lost(str(error)) from error

    def _send(self) -> bool:
        """Write what the pipe takes; return whether that was all, or nobody reads any more."""
        try:
            written = os.write(self._process.stdin.fileno(), self._unsent)
        except BlockingIOError:
            return False
        except BrokenPipeError:
            written = len(self._unsent)
        self._unsent = self._unsent[written:]
        return not self._unsent

    def _receive(self) -> None:
        piece = os.read(self._process.stdout.fileno(), 2**20)
        if not piece:
            raise self._lost(f"{self._what} ended the process")
        self._pending += piece
        self._complete = self._complete or b"\n" in piece
        if len(self._pending) > LONGEST:
            raise self._lost(f"{self._what} answered with more than {LONGEST // 2**20} MB")

    def _look(self) -> None:
        """See whether the tree uses more than it may; what it used before is known from the first look."""
        self._looked = time.monotonic()
        tree = self._tree()
        used = sum(_of(process, lambda p: sum(p.cpu_times()[:4])) for process in tree)
        self._spent = max(self._spent, used)
        self._before = used if self._before is None else self._before
        if used - self._before > self._allowed:
            raise self._lost(f"{self._what} took more than {self._allowed:g} s of processor time")
        if self.exhausted:
            raise self._lost(f"the whole took more than {SECONDS_IN_ALL:g} s of processor time")
        if self._looked - self._began > PATIENCE * self._allowed:
            raise self._lost(f"{self._what} was not done after {PATIENCE * self._allowed:g} s of waiting")
        if len(tree) > PROCESSES or sum(_of(process, lambda p: p.num_fds()) for process in tree) > FILES:
            raise self._lost(f"{self._what} started more than {PROCESSES} processes, or opened {FILES} files")
        if sum(_of(process, lambda p: p.memory_info().rss) for process in tree) > MEMORY:
            raise self._lost(f"{self._what} took more than {MEMORY // 2**30} GB of memory")

    def _lost(self, why: str) -> Lost:
        self.close()
        return Lost(why)

    def _tree(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []


def _of(process: psutil.Process, measure: Callable[[psutil.Process], float]) -> float:
    """A number of a process; 0 if it has just ended."""
    try:
        return measure(process)
    except psutil.Error:
        return 0.0


def _lives(process: psutil.Process) -> bool:
    """Whether it still does anything; the dead may wait for their burial."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Answer:
    """A student's function, to be called here."""

    def __init__(self, student: "Student", name: str):
        self.student, self.name = student, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.student.call(self.name, arguments, named)


class Student:
    """The answers of one submission: its cells, run in a box up to a place, again without those that kill it.

    Attributes:
        place: how many cells have run when a question is asked. It may be set back: then they run anew.
        stopped: cell number -> what the student is told about it; nothing of runs while `discreet`.
        lost: why the process was lost last, "" if it was not; who reads it may empty it.
        discreet: whether exceptions come without their words, as while hidden inputs are about.
    """

    def __init__(self, box: Box, cells: list[str], name: str):
        self.box, self.cells, self.name = box, list(cells), name
        self.stopped: dict[int, str] = {}
        self.discreet, self.lost = False, ""
        self.place = len(cells)
        self._ran, self._alive, self._losses = -1, False, 0  # cells that have run; -1: none can be asked

    def get(self, name: str) -> Any:
        """Return the value with this name; for a function, a function that asks the student's.

        Raises:
            Missing, Lost: there is no answer.
            Exception: what the student's code raised, as one of Python's own kinds.
        """
        reply = self._ask({"get": name}, what=f"reading `{name}`", functions=[])
        if "callable" in reply:
            return Answer(self, name)
        return wire.decode(reply.get("value"))

    def call(self, name: str, arguments: tuple = (), named: dict[str, Any] | None = None) -> Any:
        """Return what the student's function returns. Functions among the arguments run here.

        Raises:
            Missing, Lost: there is no answer.
            Exception: what the student's code raised, as one of Python's own kinds.
        """
        functions: list[Callable] = []
        message = {"call": name, "with": wire.encode(list(arguments), functions)}
        message["named"] = wire.encode(named or {}, functions)
        return wire.decode(self._ask(message, what=f"`{name}`", functions=functions).get("value"))

    def leave(self) -> None:
        """End the process, which may be in the middle of an answer; the next question starts another."""
        self._gone()
        self._losses += 1

    def _ask(self, message: dict[str, Any], *, what: str, functions: list[Callable]) -> dict[str, Any]:
        try:
            return self._asked(message, what, functions)
        except Lost as error:
            self.lost = str(error)
            raise

    def _asked(self, message: dict[str, Any], what: str, functions: list[Callable]) -> dict[str, Any]:
        self._run()
        number = secrets.token_hex(8)  # what does not carry it answers something else, or was forged
        self.box.allow(SECONDS_A_CALL, what)
        try:
            self.box.say(message | {"number": number})
            while True:
                reply = self.box.hear()
                if "died" in reply or reply.get("number") == number:
                    break
                if reply.get("to") == number:
                    self.box.say(_called_back(functions[reply["ask"]], reply["with"], reply["named"]))
        except (wire.Unreadable, KeyError, TypeError, IndexError) as error:
            self.leave()
            raise Lost(f"{what} did not answer in a form that can be read") from error
        except Lost:
            self.leave()
            raise
        if "died" in reply:
            self._died()
            self._losses += 1
            raise Lost(f"{what} ended the process")
        if "missing" in reply:
            raise Missing(message.get("get") or message["call"])
        if "raised" in reply:
            raise _exception(reply["raised"], tell=not self.discreet)
        return reply

    def _died(self) -> None:
        """The copy that ran the cells is gone; the process that makes copies is not."""
        self._ran, self._alive = -1, False

    def _gone(self) -> None:
        """Nothing is left of the process."""
        self.box.close()
        self._ran = -1

    def _run(self) -> None:
        """See to it that the cells before the place have run, and no others; one that kills is left out then."""
        while self._ran != self.place:
            if self._losses >= LOSSES:
                raise Lost("the process was lost too often")
            try:
                if 0 <= self._ran < self.place:
                    self._attempt({"on": self.place})
                    continue
                self._ran = -1
                if not self.box.running or (self._alive and not self.box.end_run()):
                    self.box.start()
                self._alive = True
                self._attempt({"run": self.cells, "student": self.name, "place": self.place})
            except Lost:
                self._losses = LOSSES if self.box.exhausted else self._losses + 1

    def _attempt(self, what: dict[str, Any]) -> None:
        self.box.say(what)
        least, number = self._ran, -1
        self.box.allow(SECONDS_A_CELL, "this cell")
        try:
            while True:
                message = self.box.hear()
                if "ready" in message:
                    self._ran = self.place
                    return
                if "died" in message:
                    raise Lost("this cell ended the process")
                if type(message.get("cell")) is int and max(least - 1, number) < message["cell"] < self.place:
                    number = message["cell"]
                    self.box.allow(SECONDS_A_CELL, "this cell")
                elif message.get("error") and number >= 0 and not self.discreet:
                    error = _exception(message["error"], tell=True)
                    if not isinstance(error, NotImplementedError):  # a stub that waits for its answer
                        self.stopped.setdefault(number, f"{type(error).__name__}: {error}")
        except Lost as error:
            if self.box.running:
                self._died()
            else:
                self._gone()
            if number >= 0:
                self.cells[number] = None
                if not self.discreet:  # which cell it is could tell of hidden inputs
                    self.stopped[number] = str(error)
            raise


def _called_back(function: Callable, arguments: Any, named: Any) -> dict[str, Any]:
    """What a function of the grader's answers to a student's code; a complaint, if it cannot use what it got."""
    try:
        return {"value": wire.encode(function(*wire.decode(arguments), **wire.decode(named)))}
    except Exception as error:
        return {"raised": f"the function that you were given cannot use this: {type(error).__name__}"}


def _exception(told: Any, *, tell: bool) -> Exception:
    """An exception of the student's, as one of Python's own kinds.

    Args:
        tell: whether with its words: they are the student's, and could carry hidden inputs out.
    """
    told = told if isinstance(told, dict) else {}
    kind = getattr(builtins, str(told.get("kind")), None)
    odd = UnicodeError | StopIteration | StopAsyncIteration | BaseExceptionGroup  # built from more than words
    usual = isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, odd)
    line = str(told.get("line", ""))[:200]
    words = str(told.get("words", ""))[:500] + (f", in the line `{line}`" if line else "")
    return (kind if usual else Exception)(*([words] if tell else []))
