"""Sockets, timers and limits: one thread that serves all associations of a process.

What the bytes mean is `dicom_node.upper_layer`'s business.
"""
