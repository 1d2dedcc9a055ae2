"""The node's record of who came: taken off its loop, written, listed and pruned.

It holds AE titles, addresses and numbers; nothing of a dataset gets here.
"""
