"""What we ask of other nodes: C-ECHO, C-FIND, C-MOVE, C-GET and N-EVENT-REPORT."""
