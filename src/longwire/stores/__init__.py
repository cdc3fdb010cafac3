"""Where streams are kept; each module is one store under the contract of ``streams.store``."""
