"""The course's tests; they mirror `mlcourse/`."""
