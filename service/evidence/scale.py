"""What a slice's distances are compared with: those between unrelated patients, by percentile."""

from dataclasses import dataclass

from service.calibration.figures import Calibration


@dataclass(frozen=True)
class Scale:
    """The distances that a calibration knows for a slice of a modality, None if it is unknown."""

    calibration: Calibration | None
    modality: str | None

    @property
    def reference(self) -> str | None:
        """The modality within which those distances were taken; None where there are none."""
        return None if self.calibration is None else self.calibration.reference(self.modality)

    def percentile(self, distance: float) -> float | None:
        """Of 100 pairs of slices of unrelated patients, how many are no farther apart."""
        if self.calibration is None:
            return None
        return self.calibration.percentile(self.modality, distance)
