"""Errors say what happened, what it means and what to do."""

from __future__ import annotations

from local.firehose.errors import CallRefused, EngineError, SettingRefused, StoreFailed, TemplateUnreadable


def test_sentences_are_built_from_fields() -> None:
    unreadable = TemplateUnreadable(template="t.yaml", place="Resources.S", problem="names X")
    assert (
        "t.yaml: Resources.S: names X; no stream was built from it, so correct the template or pass the value"
        == str(unreadable)
    )
    assert "a/b was not stored (disk full); the engine keeps it and tries again" == str(
        StoreFailed(key="a/b", problem="disk full")
    )
    assert "Code: why" == str(CallRefused("Code", "why"))
    assert "InvalidArgumentException" == SettingRefused("why").code


def test_they_are_one_family() -> None:
    assert all(issubclass(kind, EngineError) for kind in (TemplateUnreadable, SettingRefused, CallRefused, StoreFailed))
