"""
A Firehose that behaves: a pure core on a virtual clock, and a thin HTTP shell.

Files in road order (each imports only from those above it):
errors, clock, config, guesses, template (intrinsics, properties), prefix, naming, deaggregation, buffers, verdicts, envelopes,
counters, transform_stage, delivery_stage, engine; then the rim: compression, conversion, invoker, lambda_log, store, runner,
server (protocol).

Laws: `now` is an argument everywhere above the rim. Every accepted line is delivered, dropped on the transform's word, set aside in an
error object, lost after 24 hours of failing storage, or still buffered; the snapshot adds up.
"""
