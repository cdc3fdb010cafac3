"""What every layer may use: errors, codes, limits, headers, entropy. Imports nothing above it."""
