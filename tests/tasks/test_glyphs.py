"""The embedded glyphs: as many as promised, the same on every machine, and as hard as Omniglot."""

import hashlib
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from mlcourse import paths
from mlcourse.errors import DataError
from mlcourse.tasks import Episodes, each, glyphs, store
from mlcourse.tasks.images import ImageSet

# Letters that look the same in two of Latin, Greek and Cyrillic: one of each group may be in the set.
LOOK_ALIKES = (
    "AΑА BΒВв EΕЕ HΗНн IΙІ KΚКк MΜМм NΝ OΟО0о PΡР TΤТт XΧХ YΥУ ZΖ CСϹ oοо aаα cсϲ eе pрρ xхχ yуγ "
    "vν uυ wω iι kκк ГΓ ПΠ ФΦ ЛΛ фφ nηп"
).split()


@pytest.fixture(scope="module")
def letters() -> ImageSet:
    return glyphs.load()


def characters(letters: ImageSet) -> list[str]:
    return [name.rsplit(" ", 1)[1] for name in letters.class_names.tolist()]


def nearest_class_mean(part: ImageSet, n_way: int, k_shot: int) -> float:
    """Accuracy in % over 600 tasks of the simplest learner: the nearest mean of the support's raw pixels."""
    tasks = Episodes(part, n_way, k_shot, n_query=5).sample(600, np.random.default_rng(0))
    right = []
    for task in each(tasks):
        means = task.support.x.reshape(n_way, k_shot, -1).mean(axis=1)
        distances = ((task.query.x.reshape(-1, 1, means.shape[1]) - means) ** 2).sum(axis=-1)
        right.append(np.mean(distances.argmin(axis=1) == task.query.y))
    return 100 * float(np.mean(right))


def test_there_are_as_many_as_promised(letters):
    assert len(letters.alphabet_names) >= 100
    assert len(letters) >= 2000
    assert letters.images.shape[1:] == (20, 28, 28) and letters.images.dtype == np.uint8
    assert np.bincount(letters.alphabet).min() >= 12
    assert len(set(letters.class_names.tolist())) == len(letters)
    folder = paths.data_folder() / "glyphs"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 3 * 2**20


def test_unseen_scripts_are_as_hard_as_omniglot():
    """Nearest class mean on Omniglot's evaluation alphabets: 43 % and 70 %."""
    test = glyphs.splits().test
    one_shot, five_shot = nearest_class_mean(test, 5, 1), nearest_class_mean(test, 5, 5)
    assert 40 <= one_shot <= 50
    assert 65 <= five_shot <= 75


def test_the_pixels_are_the_same_on_every_machine():
    """Drawn anew, not from the cache, and with NumPy's processor-dependent code switched off."""
    code = (
        "import hashlib; from mlcourse.tasks import glyphs; "
        "print(hashlib.sha256(glyphs.draw(glyphs.read_strokes()).tobytes()).hexdigest())"
    )
    faster = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(faster)}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == glyphs.IMAGES_SHA256


def test_loading_gives_the_pixels_as_drawn(letters):
    assert hashlib.sha256(letters.images.tobytes()).hexdigest() == glyphs.IMAGES_SHA256


def test_drawers_differ_and_every_drawing_has_ink(letters):
    flat = letters.images.reshape(len(letters), 20, -1)
    assert (flat.max(axis=2) > 150).all()
    assert 0.06 < letters.images.mean() / 255 < 0.09, "about as much ink as Omniglot's 8 %"
    assert all(len(np.unique(drawings, axis=0)) == 20 for drawings in flat[::50])


def test_loaded_images_cannot_be_changed_by_accident(letters):
    with pytest.raises(ValueError, match="read-only"):
        letters.images[0, 0, 0, 0] = 1


def test_splits_share_no_script_and_leave_nothing_out(letters):
    parts = glyphs.splits()
    scripts = [set(part.alphabet.tolist()) for part in parts]
    assert not (scripts[0] & scripts[1] or scripts[0] & scripts[2] or scripts[1] & scripts[2])
    assert sum(map(len, scripts)) == len(letters.alphabet_names)
    assert sum(map(len, parts)) == len(letters)
    assert [len(group) for group in scripts] == [90, 14, 29]


def test_names_are_the_letters_they_say(letters):
    for name in letters.class_names[::20].tolist():
        assert unicodedata.category(name.rsplit(" ", 1)[1]) in ("Lu", "Ll", "Lo")


def test_look_alikes_of_latin_greek_and_cyrillic_are_left_out(letters):
    three = np.isin(letters.alphabet_names[letters.alphabet], ["Latin", "Greek", "Cyrillic"])
    present = {letter for letter, kept in zip(characters(letters), three, strict=True) if kept}
    assert len(present) > 50
    for group in LOOK_ALIKES:
        assert len(present & set(group)) <= 1, group


def test_nobody_is_called_a_hand(letters):
    """The set is called rendered, wherever it is described."""
    text = (paths.data_folder() / "glyphs" / "README.md").read_text()
    assert "rendered" in glyphs.SOURCE.about and "**rendered**" in text and "not handwriting" in text
    assert f"{len(letters):,}" in text and f"{len(letters.alphabet_names)} |" in text


def test_the_embedded_file_is_checked(tmp_path, monkeypatch):
    assert store.verify("glyphs")["ok"]
    (tmp_path / "glyphs").mkdir()
    whole = (paths.data_folder() / "glyphs" / "strokes.npz").read_bytes()
    (tmp_path / "glyphs" / "strokes.npz").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(paths, "data_folder", lambda: tmp_path)
    assert not store.verify("glyphs")["ok"]
    with pytest.raises(DataError, match="truncated or corrupt.*git checkout data/glyphs"):
        glyphs.read_strokes()
    np.savez(tmp_path / "glyphs" / "strokes.npz", something=np.zeros(3))
    with pytest.raises(DataError, match="holds no strokes"):
        glyphs.read_strokes()
