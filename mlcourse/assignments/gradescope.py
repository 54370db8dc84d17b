"""What Gradescope's container runs: grade one submission and write results.json in Gradescope's form.

    python -m mlcourse.assignments.gradescope /autograder

https://gradescope-autograders.readthedocs.io/en/latest/specs/ says where things lie. The container is thrown away
afterwards; where bubblewrap does not stand in it, the student's process runs under another user's name.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mlcourse.assignments import walls
from mlcourse.assignments.grade import Report, grade
from mlcourse.assignments.sets import ProblemSet


def results(report: Report, wall: str) -> dict[str, Any]:
    """A report in Gradescope's form; what is for the lecturer alone is hidden from students."""
    tests = [
        {
            "name": result.name,
            "score": result.points or 0,
            "max_score": result.most,
            "status": "passed" if result.points else "failed",
            "output": result.message or "A person marks this one.",
        }
        for result in report.results
    ]
    notes = "\n".join([f"Walls: {wall}.", *report.notes])
    tests.append({"name": "for the lecturer", "visibility": "hidden", "score": 0, "max_score": 0, "output": notes})
    return {"score": report.points, "output": "\n".join(report.stopped), "tests": tests}


def main(folder: Path) -> None:
    """Grade the submission in Gradescope's folder."""
    test = next((folder / "source" / "tests").glob("*.ipynb"))
    metadata = json.loads((folder / "submission_metadata.json").read_text(encoding="utf-8"))
    user = metadata["users"][0]
    name = str(user.get("sid") or user["email"])
    wall = walls.choose(container=True)
    report = grade(folder / "submission", ProblemSet.stored(test), name, wall=wall)
    (folder / "results").mkdir(exist_ok=True)
    told = json.dumps(results(report, wall), ensure_ascii=False)
    (folder / "results" / "results.json").write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
