"""
Firehose event to rows, or a reasoned refusal: the Lambda between the delivery stream and the lake.

Road order: reasons, decode, rules, row, partition, record, answer, metrics, handler. `fast` stands beside the road: it recognises
the common line without parsing it and may only ever say what the slow way would have said.
"""
