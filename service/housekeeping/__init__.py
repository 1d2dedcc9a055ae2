"""What the node does now and then beside receiving, and how it went."""
