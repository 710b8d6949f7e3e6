"""The plan: a programme's dated terms.

`terms.py` has the nouns, `read.py` turns a TOML file into them or refuses it whole, `record.py`
keeps them as canonical JSON in the book, `change.py` says what may still be changed.
"""
