"""Commission Engine: who is paid what for whom, and why.

The sentence is in `night.py`: one business date, from the facts that are known to the files that
are published. Its nouns are in `plan/terms.py` (what is paid), `tree/forest.py` (who referred
whom), `decide/kernel.py` (events and lines) and `ledger/` (entries, statements, payouts). The
calculation is `decide/kernel.py`; `decide/reference.py` is the same in plain words and judges it.

`from commission_engine import decide` is the calculation alone, on Arrow or Polars frames, as a
step of somebody's own pipeline: examples/embedded.py.
"""

from commission_engine.decide import decide

__all__ = ["__version__", "decide"]

__version__ = "0.1.0"
