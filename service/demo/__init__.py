"""The demo: drawn head studies, pushed over DICOM into a service of its own, and a picture."""
