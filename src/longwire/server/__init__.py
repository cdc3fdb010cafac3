"""The application: routes, settings, operations, and what ``longwire serve`` runs."""
