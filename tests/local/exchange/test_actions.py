from local.exchange.actions import Accepted, Close, Refused, Send


def test_actions_are_values() -> None:
    assert Send(1, b"x") == Send(1, b"x")
    assert Close(1, None) != Close(1, 1000)
    assert Accepted(1).delay_s == Refused(429).delay_s == 0
