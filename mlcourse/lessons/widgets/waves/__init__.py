"""`OwnWave`: place five points, and three networks adapt to them."""
