"""The files of a run: `text.py` writes columns as the contract says, `ids.py` names statements and
payouts, `files.py` and `documents.py` make the files, `folder.py` puts them in place whole.
"""
