"""Exercise checks that explain themselves: one module a notebook (`nb01` …), one function an exercise.

    from mlcourse.lessons import checks
    checks.nb05.inner_step(inner_step)      # a Verdict: not attempted / passed / what is wrong, and why

`mlcourse.lessons.checks.verdict` says how to write one. The modules are imported when they are first named.
"""

import importlib
import re
from types import ModuleType

from mlcourse.lessons.checks.claimed import claims
from mlcourse.lessons.checks.verdict import Verdict

__all__ = ["Verdict", "claims"]


def __getattr__(name: str) -> ModuleType:
    """Import `checks.nb05` on first use, so that importing the checks loads no notebook's dependencies."""
    if re.fullmatch(r"nb\d\d", name):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"mlcourse.lessons.checks has no {name!r}: a notebook's checks are named nb01, nb02, …")
