"""Which objects the gallery admits: rules, their text, and what they say of an object.

Nothing here asks a database, decodes pixels or needs torch.
"""
