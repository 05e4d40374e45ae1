"""
The laptop's Coinbase: a websocket and a REST server on loopback that generate a market or replay a recording.

Road order: errors, text, ranges, tick, catalogue, market, recording, stream (what happens when); history, listings (what is
known of it); frames, limits, rules, rest (what Coinbase says); faults, oddities, mischief, chaos (what goes wrong); truth,
actions, settings, core (who is sent what); virtual (without time), server (on sockets).
Laws: everything but `server` is pure: `now`, seeds and settings are arguments. `server` alone touches clock and sockets.
Refuses to know: the producer, and what a client does with what it is sent.
"""
