"""The command line, `precuneus`: a thin layer that reads arguments and prints what others found.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""
