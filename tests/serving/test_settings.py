"""Settings travel to the workers as they are, and bounds that bound nothing are refused."""

import pytest

from mlcourse.serving.settings import VARIABLE, Settings, from_environment


def test_settings_travel(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert from_environment() == Settings()
    monkeypatch.setenv(VARIABLE, "")
    given = Settings(models="m", store="redis://a:1/0", most_at_once=1, max_age=None)
    given.to_environment()
    assert from_environment() == given


@pytest.mark.parametrize(
    "bad", [{"threads": 0}, {"room": -1}, {"max_age": 0}, {"body_seconds": 0}, {"feedback_window": 1}]
)
def test_bounds_that_bound_nothing_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Settings(**bad)
