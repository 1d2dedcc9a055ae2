"""Pictures of an evaluation, as PNG files. Slices of patients are shown: keep them where you keep
the slices."""
