"""Your own images: from a folder with a sub-folder for each class, or from arrays, to an `ImageSet`.

Nothing is lost on the way: what cannot be used is an error that names it, and classes may differ in size.
"""

import sys
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mlcourse.arguments import require_count
from mlcourse.errors import DataError
from mlcourse.tasks.images import COLOURS, ImageSet, listed

SUFFIXES = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".webp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")  # what may be inside, whatever the suffix says
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # what systems leave in folders, beside hidden files
SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}
LAYOUTS = "folder/class/image or folder/alphabet/class/image"
LEAST_SIDE = 8  # pixels; less shows nothing
MOST_PIXELS = 50_000_000  # a photograph of 50 megapixels takes 200 MB while it is read
LEAST_IMAGES = 2  # of a class: one to learn from and one to be judged on
MOST_TOLD = 5  # files in one message
BRIGHT = 170  # a mean rim above this, of 255, looks like paper
DARK = 64  # a whole set without a value as high, of 255, is nearly black: its full ink is probably another number
BITS = (8, 10, 12, 14, 16)  # how many of them cameras and scanners use of a number


def read_folder(folder: str | Path, *, size: int = 28, colour: bool = False, dark_ink: bool = False) -> ImageSet:
    """Images from `folder/class/image`, or, like Omniglot, from `folder/alphabet/class/image`.

        flowers = own.read_folder("flowers", colour=True)         # flowers/rose/1.jpg, flowers/tulip/a.png, ...
        splits = split_at_random(flowers, (12, 0, 5), rng)        # 12 classes to train on, 5 others to test
        tasks = Episodes(splits.test, n_way=5, k_shot=1, n_query=3).sample(100, rng)

    An image is turned as its camera says (EXIF), put on white where it is transparent, cut to the largest square
    around its centre, and resized (LANCZOS). Of an animation the first frame counts. Hidden files are skipped,
    and so are files beside the classes' folders that are no images; any other file must be an image. Grey files of
    16 bits a pixel are scaled by the bits that the whole set uses: cameras put 10 or 12 bits into them.

    Args:
        folder: its classes are its sub-folders, in the order of their names; without alphabets, each class is its
            own alphabet, so that `split_by_alphabet` takes class numbers.
        size: height and width of the result, in pixels, at least 8.
        colour: False turns all images grey; True keeps three channels, equal ones for an image that is grey.
        dark_ink: exchange light and dark. For dark ink on light paper: in this course ink is 1 and paper is 0. One
            line asks about it when it is False and the rims of grey images are bright.

    Returns:
        uint8 images (C, M, size, size), in colour (C, M, size, size, 3). Where classes differ in size, (N, size,
        size) or (N, size, size, 3), class after class: the set takes as much memory as its images, whatever the
        largest class is. `per_class` says how many each has.

    Raises:
        DataError: the folder is missing or built otherwise, a class has fewer than two images, or a file is no
            image, damaged, smaller than 8 x 8 pixels or larger than 50 megapixels.
    """
    if not isinstance(folder, str | PathLike):
        raise ValueError(f"folder is {folder!r}; give the path of a folder")
    size, folder = require_count("size", size, LEAST_SIDE), Path(folder).expanduser()
    classes = {name: _image_files(place) for name, place in _class_folders(folder).items()}
    full = _full_scale(max((_deep_values(file) for files in classes.values() for file in files), default=0))
    images, labels, problems = [], [], []
    for label, files in enumerate(classes.values()):
        for file in files:
            try:
                images.append(_read_image(file, size, colour, full))
                labels.append(label)
            except DataError as error:
                problems.append(str(error))
    if problems:
        more = [f"and {len(problems) - MOST_TOLD} more files"] if len(problems) > MOST_TOLD else []
        raise DataError("\n".join(problems[:MOST_TOLD] + more))
    pixels = np.stack(images)
    if pixels.max() < DARK:
        told = "stretch them, so that the brightest is 255 (of 16 bits in colour only the upper 8 are read)"
        print(f"{folder}: no value above {pixels.max()} of 255: nearly black; {told}.", file=sys.stderr)
    if dark_ink:
        pixels = 255 - pixels
    elif not colour and _rim(pixels).mean() > BRIGHT:
        print(
            f"{folder}: the rims are bright. If that is paper, pass dark_ink=True: ink is 1 here.", file=sys.stderr
        )
    names = np.array(list(classes))
    alphabets = np.array([name.split("/")[0] for name in classes])
    return _image_set(folder.resolve().name, pixels, np.array(labels), names, alphabets)


def from_arrays(images: Any, labels: Any, *, name: str = "own") -> ImageSet:
    """Images from arrays: n images of one size and the class of each, in any order.

    Args:
        images: (n, H, W), or in colour (n, H, W, 3); uint8 from 0 to 255, floats from 0 to 1 (kept to 1/255), or
            bool. Ink is the high value.
        labels: (n,) whole numbers or words; classes stand in their order. Each class is its own alphabet.
        name: what the set is called in messages.

    Returns:
        uint8 images (C, M, H, W) or (C, M, H, W, 3), or class after class where classes differ in size.

    Raises:
        ValueError: shapes, types or values are others than these, or a class has fewer than two images.
    """
    pixels, labels = _checked_images(images), _checked_labels(labels)
    if len(labels) != len(pixels):
        raise ValueError(f"labels has shape {labels.shape}, but there are {len(pixels)} images; give each a label")
    classes, label, counts = np.unique(labels, return_inverse=True, return_counts=True)
    small = counts < LEAST_IMAGES
    if small.any():
        raise ValueError(
            f"labels gives fewer than {LEAST_IMAGES} images to {listed(classes[small], counts[small])}; a class "
            "needs one to learn from and one to be judged on: add images, or leave the class out"
        )
    return _image_set(name, pixels, label, classes.astype(str), classes.astype(str))


def _image_set(
    name: str, pixels: np.ndarray, label: np.ndarray, class_names: np.ndarray, alphabets: np.ndarray
) -> ImageSet:
    """uint8 (n, H, W) or (n, H, W, 3); label (n,) is an index into `class_names` (C,); alphabets (C,) names."""
    counts = np.bincount(label, minlength=len(class_names))
    images, uneven = pixels[np.argsort(label, kind="stable")], counts.min() < counts.max()
    if not uneven:
        images = images.reshape(len(counts), -1, *pixels.shape[1:])
    alphabet_names = list(dict.fromkeys(alphabets.tolist()))  # in the order of the classes
    alphabet = np.array([alphabet_names.index(alphabet) for alphabet in alphabets.tolist()])
    return ImageSet(name, images, alphabet, np.array(alphabet_names), class_names, counts if uneven else None)


def _rim(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels of grey images (n, H, W): where a drawing shows its paper."""
    return np.concatenate([pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1)


# ---------------------------------------------------------------- folders


def _class_folders(folder: Path) -> dict[str, Path]:
    """The folder of each class, by name: "class" or "alphabet/class"."""
    top = _sub_folders(folder)
    deep = [sub for sub in top if _entries(sub)[1]]
    if not deep:
        return {sub.name: sub for sub in top}
    if len(deep) < len(top):
        plain = next(sub for sub in top if sub not in deep)
        raise DataError(f"{deep[0]} has sub-folders and {plain} has none; arrange all images alike: {LAYOUTS}")
    if {sub.name.lower() for sub in top} <= SPLIT_NAMES:
        raise DataError(
            f"folder is {folder}, whose sub-folders {', '.join(sub.name for sub in top)} look like parts of one "
            f"set, so that a class would count once in each; read one part ({top[0]}), or put the images of each "
            "class together and let split_at_random cut by classes"
        )
    return {f"{alphabet.name}/{sub.name}": sub for alphabet in top for sub in _sub_folders(alphabet)}


def _sub_folders(folder: Path) -> list[Path]:
    """The folders inside, when there are some and no image lies beside them."""
    if not folder.is_dir():
        what = "is a file, no folder" if folder.exists() else "does not exist"
        raise DataError(f"folder is {folder}, which {what}; give the one that holds a sub-folder for each class")
    files, folders = _entries(folder)
    for file in files:
        if file.suffix.lower() in SUFFIXES:
            raise DataError(
                f"{file} belongs to no class; move it into a sub-folder of {folder} that has the name of its class"
            )
    if not folders:
        raise DataError(f"folder is {folder}, which has no sub-folders; make one for each class and put images in")
    return folders


def _image_files(folder: Path) -> list[Path]:
    """The image files of one class, by their suffix."""
    files, folders = _entries(folder)
    if folders:
        raise DataError(f"{folders[0]} lies too deep; arrange the images as {LAYOUTS}")
    for file in files:
        if file.suffix.lower() not in SUFFIXES:
            raise DataError(
                f"{file} is not an image ({' '.join(SUFFIXES)}); convert it, or move it out of its class's folder"
            )
    if len(files) < LEAST_IMAGES:
        has = f"{len(files)} image{'s' * (len(files) != 1)}"
        raise DataError(
            f"{folder} has {has}; a class needs at least {LEAST_IMAGES}, one to learn from and one to be judged "
            "on: add images, or move the folder away"
        )
    return files


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files and folders inside, each sorted by name, without hidden ones and litter."""
    try:
        inside = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); check its permissions") from error
    seen = [path for path in inside if not path.name.startswith(".") and path.name.lower() not in LITTER]
    return [path for path in seen if not path.is_dir()], [path for path in seen if path.is_dir()]


# ---------------------------------------------------------------- one image


def _deep_values(path: Path) -> int:
    """The highest value of a grey file of 16 bits a pixel; 0 for any other, and for what cannot be read."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as image:
            deep = _is_deep(image) and image.size[0] * image.size[1] <= MOST_PIXELS
            return int(np.where(_clear(image), 0, np.asarray(image)).max()) if deep else 0
    except Exception:  # `_read_image` says what is wrong with it
        return 0


def _is_deep(image: Any) -> bool:
    """Whether a Pillow image holds grey values of more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;16")


def _clear(image: Any) -> Any:
    """Where a grey Pillow image of more than 8 bits is transparent: a PNG may name one value that is."""
    return np.asarray(image) == image.info.get("transparency", -1)


def _read_image(path: Path, size: int, colour: bool, full: int = 2**16 - 1) -> np.ndarray:
    """One image file to uint8 (size, size) or (size, size, 3); `full` is full ink in a file of 16 bits a pixel."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # here: the course imports without Pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # _refuse has a lower limit
            with Image.open(path, formats=FORMATS) as image:
                _refuse(path, *image.size)  # only the header was read so far
                image.draft(None, (4 * size, 4 * size))  # a large JPEG is decoded at a fraction of its size
                _turn(image)
                plain = _plain(image, full).convert("RGB" if colour else "L")
        return np.asarray(ImageOps.fit(plain, (size, size), Image.Resampling.LANCZOS))
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path} is no image, whatever its name says ({', '.join(FORMATS)} are read); replace or remove it"
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is larger than {MOST_PIXELS:,} pixels ({error}); make it smaller") from error
    except Exception as error:  # on a damaged file Pillow's decoders raise almost anything
        raise DataError(f"{path} cannot be read ({error}): it is damaged; replace or remove it") from error


def _refuse(path: Path, width: int, height: int) -> None:
    """Sizes that exhaust the memory, or show nothing."""
    if width * height > MOST_PIXELS:
        raise DataError(f"{path} has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}; make it smaller")
    if min(width, height) < LEAST_SIDE:
        raise DataError(
            f"{path} has {width} x {height} pixels; at least {LEAST_SIDE} x {LEAST_SIDE} are needed: replace or "
            "remove it"
        )


def _turn(image: Any) -> None:
    """Turn a Pillow image as its camera says, where that can be read; the picture is good in any case."""
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # a damaged note about the picture is no damage to the picture
        image.load()  # which says so if the picture is damaged, too


def _plain(image: Any, full: int) -> Any:
    """A Pillow image with 8 bits a channel and without transparency: what shines through is white paper."""
    from PIL import Image

    if _is_deep(image):  # converting would cut off all that is above 255
        values = np.where(_clear(image), full, np.asarray(image))
        return Image.fromarray(np.rint(values * (255 / full)).astype(np.uint8))
    if not image.has_transparency_data:
        return image
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return paper


# ---------------------------------------------------------------- arrays


def _checked_images(images: Any) -> np.ndarray:
    """uint8 (n, H, W) or (n, H, W, 3), n > 0."""
    try:
        images = np.asarray(images)
    except ValueError as error:
        raise ValueError(f"images is no array ({error}); give all images the same shape") from error
    seen = f"images has shape {images.shape} and type {images.dtype}"
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[-1] == COLOURS):
        hint = _hint(images.shape)
        raise ValueError(f"{seen}; give (n, height, width), or in colour (n, height, width, 3){hint}")
    if not len(images) or min(images.shape[1:3]) < LEAST_SIDE:
        raise ValueError(f"{seen}; give at least one image, none smaller than {LEAST_SIDE} x {LEAST_SIDE} pixels")
    if images.dtype == np.bool_:
        return images * np.uint8(255)
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        if not np.issubdtype(images.dtype, np.integer):
            raise ValueError(f"{seen}; give uint8 from 0 to 255, or floats from 0 to 1")
        values = f"with values from {images.min()} to {images.max()}"
        raise ValueError(f"{seen}, {values}; give uint8 from 0 to 255: {_as_bytes(images)}")
    pixels = images if images.dtype == np.uint8 else _from_floats(images, seen)
    if images.dtype == np.uint8 and images.max() <= 1:
        raise ValueError(f"{seen}, but no value above 1: nearly black; give images * 255")
    if pixels.max() < DARK:
        dark = f"images have no value above {images.max():g}: nearly black. If that is full ink, give"
        print(f"{dark} {_as_bytes(images)}.", file=sys.stderr)
    return pixels


def _from_floats(images: np.ndarray, seen: str) -> np.ndarray:
    """Floats from 0 to 1 as uint8; `seen` opens the error messages."""
    finite = np.isfinite(images)
    if not finite.all():
        where = np.argwhere(~finite)[0]
        raise ValueError(
            f"{seen}; {(~finite).sum():,} values are NaN or infinite, the first in images[{where[0]}]: replace "
            "them, or leave those images out"
        )
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        fix = "(images - images.min()) / np.ptp(images)" if low < 0 else f"images / {_full_scale(high):g}"
        raise ValueError(f"{seen}, with values from {low:g} to {high:g}; give floats from 0 to 1: {fix}")
    return np.rint(images * 255).astype(np.uint8)


def _full_scale(high: float) -> float:
    """What full ink probably is in a set whose highest value is `high`: all bits set, or else that very value."""
    full = next((2**bits - 1 for bits in BITS if high < 2**bits), high)
    return full if high > full / 2 else max(high, 1)


def _as_bytes(images: np.ndarray) -> str:
    """An expression that makes uint8 from 0 to 255 of `images`, as their values suggest."""
    low, high = images.min(), images.max()
    if low < 0:
        return "np.rint((images - images.min()) * (255 / np.ptp(images))).astype(np.uint8)"
    full = high if high <= 1 else _full_scale(high)
    if full == 1:
        return "images * 255"
    return "images.astype(np.uint8)" if full == 255 else f"np.rint(images * (255 / {full:g})).astype(np.uint8)"


def _hint(shape: tuple[int, ...]) -> str:
    """What probably happened to images of a wrong shape."""
    if len(shape) == 2:
        return "; if each row is an image, images.reshape(len(images), height, width)"
    if len(shape) != 4:
        return ""
    if shape[1] == COLOURS:
        return "; the channels come last: images.transpose(0, 2, 3, 1)"
    if 1 in (shape[1], shape[3]):
        return f"; grey images have no axis for channels: images[{':, 0' if shape[1] == 1 else '..., 0'}]"
    return "; leave transparency out: images[..., :3]" if shape[3] == COLOURS + 1 else ""


def _checked_labels(labels: Any) -> np.ndarray:
    """(n,) whole numbers, booleans or words."""
    try:
        labels = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"labels is no array ({error}); give one whole number or word for each image") from error
    if labels.dtype.kind in "OT" and all(isinstance(label, str) for label in labels.flat):
        labels = labels.astype(str)
    seen = f"labels has shape {labels.shape} and type {labels.dtype}"
    if labels.ndim != 1:
        hint = "; from one-hot rows, labels.argmax(axis=1)" if labels.ndim == 2 else ""
        raise ValueError(f"{seen}; give (n,), one label for each image{hint}")
    if labels.dtype.kind not in "biuU":
        hint = ": labels.astype(int)" if labels.dtype.kind == "f" else ""
        raise ValueError(f"{seen}; give whole numbers or words{hint}")
    return labels
