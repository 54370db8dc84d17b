"""Published tables, made again: one file each, run by `python -m mlcourse reproduce NAME`."""
