"""
A Firehose that behaves: a pure core on a virtual clock, and a thin HTTP shell.

Files in road order; each imports only from those before it (tests/local/firehose/test_road.py):
    what a stream is told      errors clock config guesses intrinsics properties instants prefix naming extraction validation template
    the core                   deaggregation buffers verdicts effects envelopes works counters metrics books transform_stage
                               delivery_stage engine
    the rim                    limits quota store faults hive_types timestamp_formats conversion compression lambda_process invoker
                               zip_invoker lambda_log runner
    the API                    hosting shapes service describe control server

Laws: `now` is an argument everywhere above the rim. Every accepted line is delivered, dropped on the transform's word, set aside in an
error object, lost after 24 hours of failing storage, or still buffered; the snapshot adds up.
"""
