"""Why an amount is what it is, and why one is not there: lines, statements and payouts in words.

`find.py` sees which thing is meant, `history.py` reads its facts, `windows.py` has the plain
reference work the amounts out, `line.py` and `account.py` put explanations together, `words.py`
says them. Nothing is taken from a stored line but to compare with it.
"""
