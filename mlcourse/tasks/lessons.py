"""Which characters a lesson uses: Omniglot if it is on this machine, else the embedded glyphs."""

from mlcourse.tasks import glyphs, omniglot, store
from mlcourse.tasks.images import Splits


def characters(*, quiet: bool = False) -> Splits:
    """Meta-train, meta-val and meta-test characters, cut by whole alphabets; nothing is downloaded.

    Prints one line that says which set it is, unless `quiet`.
    """
    place = store.locate(omniglot.SOURCE)
    if place is not None:
        chosen, why = omniglot.splits("alphabets"), f"Omniglot, from the {place.where}"
    else:
        chosen = glyphs.splits()
        why = "rendered glyphs, embedded (for Omniglot: python -m mlcourse data fetch omniglot)"
    if not quiet:
        sizes = " / ".join(str(len(part)) for part in chosen)
        print(f"Characters: {why}; {sizes} for meta-train / meta-val / meta-test.")
    return chosen
