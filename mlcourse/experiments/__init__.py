"""What makes the measured tables: experiments with their runner, benchmarks, stored results."""

NAMES = ("sinusoid", "exact", "kin", "omniglot", "transfer", "drawing")  # of the experiments, a file each
