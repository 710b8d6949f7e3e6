"""What people do with payouts: approve, reject, export, mark, override the minimum.

`choose.py` says which payouts are meant and what their content is, `approve.py` and `mark.py` lead
them on, `export.py` puts them into files once, `prove.py` proves all of it from the stored rows.
"""
