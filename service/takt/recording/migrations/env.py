"""What Alembic runs around revisions: they belong to the transaction of whoever called."""

from alembic import context

from takt.recording.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
