"""Who is asking, and from which web page: origins for now; tokens and sessions join here."""
