"""Caches that travel: `--cache-to` and `--cache-from`."""
