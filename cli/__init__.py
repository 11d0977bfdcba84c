"""The command line: arguments, progress, error reports and exit codes. The only room that prints or exits.

Nothing is exposed here: the console script enters at `cli.main`, and no other room imports this one.
"""

__all__: list[str] = []
