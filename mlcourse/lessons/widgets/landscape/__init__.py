"""`Landscape`: five methods on tasks whose loss has two parameters, and the arithmetic behind them."""
