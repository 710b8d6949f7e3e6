"""Why an amount is what it is, and why one is not there: lines, statements and payouts in words.

`find.py` sees which thing is meant, `history.py` and `above.py` read its facts, `past.py` says by
which tree and plan they hold, `windows.py` has the plain reference work the amounts out,
`level.py`, `line.py`, `adjustment.py`, `settled.py` and `account.py` put explanations together,
`words.py` says them. Nothing is taken from a stored line but to compare with it.
"""
