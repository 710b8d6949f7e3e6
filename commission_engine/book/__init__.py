"""The book: the database of one programme.

`schema.py` has the tables, `connect.py` opens and migrates a database, `bulk.py` moves millions of
rows in and out, `lock.py` lets one process work at a time. `facts.py` keeps what was imported,
`runs.py` what runs derived from it, `views.py` answers people's questions.
Only this package and migrations/ know SQLAlchemy.
"""
