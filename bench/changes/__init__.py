"""Rows/s of database_changes beside pg_recvlogical on the same log."""
