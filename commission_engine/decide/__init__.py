"""The calculation: `kernel.py` runs, `reference.py` explains and judges it."""
