"""The DICOM Upper Layer and the message exchange above it (PS3.8, PS3.7), without a socket.

Bytes go in, bytes come out; time is told, never asked. Nothing here opens, reads or waits. The
loop in `dicom_node.network` does that.
"""
