"""The end of a month: what is still open, the lock, and the pack that finance keeps.

`obstacles.py` says what is open, `figures.py` what a pack says, `workbook.py` and `paper.py` make
its files, `close.py` closes, `reopen.py` opens again, `prove.py` proves both.
"""
