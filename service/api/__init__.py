"""HTTP: routes, schemas, failures and middleware around the pipeline."""
