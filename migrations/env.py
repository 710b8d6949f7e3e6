"""Alembic's entry: migrates the database that the program hands over, or the configured one."""

from alembic import context
from sqlalchemy import Connection, create_engine

from commission_engine.book.schema import metadata


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    url = context.config.get_main_option("sqlalchemy.url") or "sqlite:///commission.db"
    with create_engine(url).begin() as connection:
        migrate(connection)
