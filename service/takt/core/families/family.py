"""What is known of a model family before anything slow is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """The facts of a family that need no torch.

    Attributes:
        name: as manifests, options and requests have it; as a rule that of its folder.
        title: its name for people.
        article: `a` or `an`, before the title.
        about: what it is good for, for who chooses a family to learn; empty where none can be
            learned.
        fit_s: about the seconds that its fit takes; None if `takt learn` cannot learn it.
        is_trained: its fit takes steps, for as many minutes as somebody gives it.
        fewest_steps: fewest steps with which a fit has found defects well; 0 if nothing is known.
        takes_encoder: its fit starts from an encoder that can be chosen.
        is_searched: a search may try several ways to learn it.
        takes_more: further good pictures can be added to a model that is fitted.
        is_transformer: its graph is mostly attention, which takes other precisions well.

    >>> Family("mean", "Mean", fit_s=3).a_title
    'a Mean'
    """

    name: str
    title: str
    article: str = "a"
    about: str = ""
    fit_s: float | None = None
    is_trained: bool = False
    fewest_steps: int = 0
    takes_encoder: bool = False
    is_searched: bool = False
    takes_more: bool = False
    is_transformer: bool = False

    @property
    def a_title(self) -> str:
        """Its name in a sentence, such as `an EfficientAD`."""
        return f"{self.article} {self.title}"
