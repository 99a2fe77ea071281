"""Runs the migrations of the delivery tables on the connection it is handed."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
