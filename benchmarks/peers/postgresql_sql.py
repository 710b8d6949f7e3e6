"""Set-based SQL in PostgreSQL: three self-joins up the tree, window functions for the totals.

    python benchmarks/peers/postgresql_sql.py FACTS

Its natural form: unlogged tables of integers, loaded by COPY, then keyed and analysed. The lines
are made by one CREATE UNLOGGED TABLE ... AS. The settings are in postgresql.py, the SQL in sql.py.
"""

from postgresql import main
from sql import THREE_JOINS

if __name__ == "__main__":
    main(__doc__, THREE_JOINS)
