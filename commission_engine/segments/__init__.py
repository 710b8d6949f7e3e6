"""Lines outside the database: immutable Parquet segments in a folder or an object store.

`place.py` puts bytes there and gets them back, `order.py` sorts more rows than memory holds,
`segment.py` makes, proves and reads segments. Which segments count is the book's to say: it lists
them in the transaction of their run, and what it does not list was never true.
"""
