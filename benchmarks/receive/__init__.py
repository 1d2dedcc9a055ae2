"""Receiving: instances per second until stored and registered, beside Orthanc and dcmtk."""
