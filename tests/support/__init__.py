"""What tests of all kinds share: drawn DICOM objects, galleries, running services."""
