import re
from collections.abc import Iterator

import takt.core.errors
from takt.core.errors import TaktError


def tree(root: type[TaktError] = TaktError) -> Iterator[type[TaktError]]:
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield child
            yield from tree(child)


def test_the_tree_at_the_top_has_every_error_in_its_place_with_its_status() -> None:
    documented = re.findall(
        r"^([│ ]*)[├└]── (\w+) +(\d+)  ", takt.core.errors.__doc__, re.MULTILINE
    )
    assert [(len(indent) // 4 + 1, name, int(status)) for indent, name, status in documented] == [
        (len(error.__mro__) - len(TaktError.__mro__), error.__name__, error.status)
        for error in tree()
    ]


def test_each_code_is_stable_in_one_class_and_has_a_title() -> None:
    errors = [TaktError, *tree()]
    assert len({error.code for error in errors}) == len(errors)
    assert all(error.title for error in errors)


def test_each_class_says_what_to_do_about_itself() -> None:
    assert [error.__name__ for error in tree() if "remedy" not in vars(error)] == []
