"""Embedding: slices per second of the encoder, beside a ResNet-50 on the same CPU."""
