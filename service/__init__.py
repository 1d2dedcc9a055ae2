"""The Precuneus service: ingest, queue, worker, search, REST API and commands.

It stands above the two leaves `dicom_node` and `model`, and is the only package that knows both.
"""
