"""Queues, batches and admission; knows nothing of pictures."""
