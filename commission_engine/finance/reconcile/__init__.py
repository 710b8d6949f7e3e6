"""What banks and payment providers say of payouts: read, matched, kept, decided, reported, proved.

`read.py` makes entries of a file (camt, MT940, NACHA returns, CSV) or refuses it whole, `match.py`
says of each entry what it is, `keep.py` keeps them and steps the payouts that are sure, `decide.py`
is a person's word on the others, `report.py` adds up, `prove.py` derives all of it again.
"""
