"""Errors of the offline commands; each message says what to do."""

from service.errors import TaktError


class ExportError(TaktError):
    """The model could not be turned into a graph that answers as it does."""

    code = "export"
    title = "Export"


class CalibrationError(TaktError):
    """The pictures do not allow the thresholds that were asked for."""

    code = "calibration"
    title = "Calibration"


class PicturesError(TaktError):
    """A folder without pictures, a picture that cannot be read, a data set of unknown layout."""

    code = "pictures"
    title = "Pictures"


class RoiError(TaktError):
    """A region of interest that says nothing, or nothing that a model sees."""

    code = "roi"
    title = "Region of interest"


class InspectorError(TaktError):
    """The server does not answer, or not as this bundle's model would."""

    code = "inspector"
    title = "Inspector"


class EvaluationError(TaktError):
    """A picture or mask that does not allow the evaluation; says which."""

    code = "evaluation"
    title = "Evaluation"


class SyntheticError(TaktError):
    """The pictures or the place do not allow a synthetic data set."""

    code = "synthetic"
    title = "Synthetic data set"
