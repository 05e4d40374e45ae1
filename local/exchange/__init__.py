"""
The laptop's Coinbase: a websocket and a REST server on loopback that generate a market or replay a recording.

Rooms in road order: text, tick, ranges, catalogue, market, recording (where ticks come from), history (what REST
remembers), frames, rules (what Coinbase says), core (who is sent what, when), rest (what REST answers), server (sockets).
Laws: everything up to `rest` is pure: `now`, seeds and settings are arguments. `server` alone touches clock and sockets.
Refuses to know: the producer, and what a client does with what it is sent.
"""
