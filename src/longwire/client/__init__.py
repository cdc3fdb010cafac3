"""The reliable client: what is published is stored once, what is read is complete and in order."""
