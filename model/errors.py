"""The one error tree of the package. It says what went wrong; it never logs or exits."""


class ModelError(Exception):
    """Something in the model package cannot go on."""


class ManifestError(ModelError):
    """A slice list has no usable rows, lacks a column or holds a value that cannot be read."""


class DatasetError(ModelError):
    """Images, labels and groups of a data set do not fit together."""


class CheckpointError(ModelError):
    """A checkpoint file cannot be read as one of ours."""


class CheckpointMissingError(CheckpointError):
    """No checkpoint, or more than one, is where exactly one should be."""


class CheckpointTamperedError(CheckpointError):
    """The content of a checkpoint does not match the hash in its name."""


class TrainingError(ModelError):
    """A training run cannot start or be resumed as asked."""


class EmbeddingError(ModelError):
    """A batch cannot be embedded: wrong shape, or no memory even for a single slice."""


class EvaluationError(ModelError):
    """Slices, folds or labels do not allow the figures asked for, or the figures would lie."""
