"""Rooms and modules larger than most: `python -m tests.house.sizes`, which refuses nothing."""

from __future__ import annotations

from tests.house.test_rooms import modules, named, rooms

USUAL_MODULES = 12
USUAL_LINES = 300


def main() -> None:
    """Print what a reader may find too large, the largest first."""
    crowded = {
        named(room): sum(path.name != "__init__.py" for path in room.glob("*.py"))
        for room in rooms()
    }
    long = {named(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    _print(crowded, USUAL_MODULES, "modules")
    _print(long, USUAL_LINES, "lines")


def _print(sizes: dict[str, int], usual: int, unit: str) -> None:
    large = sorted(((size, name) for name, size in sizes.items() if size > usual), reverse=True)
    print(f"{len(large)} of {len(sizes)} have more than {usual} {unit}")
    for size, name in large:
        print(f"  {size:5} {name}")


if __name__ == "__main__":
    main()
