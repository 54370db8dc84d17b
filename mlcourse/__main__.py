"""`python -m mlcourse`: see `mlcourse/cli.py`."""

from mlcourse.cli import main

if __name__ == "__main__":
    main()
