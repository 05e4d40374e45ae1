from pathlib import Path

from local.exchange.errors import ExchangeError, ExchangeSettingsWrong, RecordingUnreadable


def test_an_unreadable_recording_says_where_and_what_to_do() -> None:
    said = str(RecordingUnreadable(Path("a.jsonl"), "it cannot be read (why)", after_lines=7))
    assert said.startswith("a.jsonl: it cannot be read (why) after line 7. Give a .jsonl")


def test_wrong_settings_say_the_remedy() -> None:
    error: ExchangeError = ExchangeSettingsWrong("speed 0 is not above zero", "give 1")
    assert "speed 0 is not above zero: give 1" == str(error)
