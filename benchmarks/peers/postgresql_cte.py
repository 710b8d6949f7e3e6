"""SQL in PostgreSQL with a recursive CTE that walks up the tree, else as postgresql_sql.py.

python benchmarks/peers/postgresql_cte.py FACTS
"""

from postgresql import main
from sql import RECURSIVE

if __name__ == "__main__":
    main(__doc__, RECURSIVE)
