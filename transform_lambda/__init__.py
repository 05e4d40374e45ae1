"""
Firehose event to rows, or a reasoned refusal: the Lambda between the delivery stream and the lake.

Road order: decode, row, partition, verdict, fast, record, answer, metrics, handler; what a message must be stands in `contract`. `fast`
is a short cut beside the road: it recognises the common line without parsing it and may only ever say what decode and row would have said.
Inside this room what is passed on is a NamedTuple: made once per line, it costs less to make than a frozen dataclass.
"""
