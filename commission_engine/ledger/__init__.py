"""The ledger: what is owed to whom, in double entry, and what is paid out of it.

`accounts.py` names accounts and kinds, `post.py` turns lines into entries, `settle.py` turns
balances into payouts and statements.
"""
