"""The config file: where it is, what it says, where it is wrong.

Nothing is exposed here: every command loads `values`, and only where there is a file does anything read TOML.
"""

__all__: list[str] = []
