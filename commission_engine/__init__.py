"""Commission Engine: who is paid what for whom, and why.

The sentence is in `night.py`: one business date, from the facts that are known to the files that
are published. Its nouns are in `plan/terms.py` (what is paid), `tree/forest.py` (who referred
whom), `decide/kernel.py` (events and lines) and `ledger/` (entries, statements, payouts). The
calculation is `decide/kernel.py`; `decide/reference.py` is the same in plain words and judges it.
"""

__version__ = "0.1.0"
