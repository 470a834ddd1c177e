"""Errors of the offline commands; each message says what to do."""

from takt.core.errors import TaktError


class ExportError(TaktError):
    """The model could not be turned into a graph that answers as it does."""

    code = "export"
    title = "Export"


class PicturesError(TaktError):
    """A folder without pictures, a picture that cannot be read, a data set of unknown layout."""

    code = "pictures"
    title = "Pictures"


class RoiError(TaktError):
    """A region of interest that holds nothing, or nothing that the model sees."""

    code = "roi"
    title = "Region of interest"


class InspectorError(TaktError):
    """The server does not answer, or not as this bundle's model would."""

    code = "inspector"
    title = "Inspector"


class EvaluationError(TaktError):
    """A picture or mask does not allow the evaluation; the message names it."""

    code = "evaluation"
    title = "Evaluation"


class SyntheticError(TaktError):
    """The pictures or the place do not allow a synthetic data set."""

    code = "synthetic"
    title = "Synthetic data set"


class LearnError(TaktError):
    """There is no place for a new version, or the version to go on from cannot take pictures."""

    code = "learn"
    title = "Learning"


class SelfTestError(TaktError):
    """Something speaks against a model, and nothing is to be written then."""

    code = "self_test"
    title = "Self-test"


class TritonExportError(TaktError):
    """Triton cannot have the bundle in the form that was asked for."""

    code = "triton"
    title = "Triton"
