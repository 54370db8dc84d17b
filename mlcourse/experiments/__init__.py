"""What makes the measured tables: experiments with their runner, benchmarks, stored results."""
