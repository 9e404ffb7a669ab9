"""Proves every balance in the ledger's log. audit.py URL [TRANSFER'S STREAM]: shows that transfer, too."""

import json
import sys
from decimal import Decimal

from kurrentdbclient import KurrentDBClient

SIGNS = {"AccountDebited": -1, "AccountCredited": 1, "DebitReversed": 1}

url, *transfers = sys.argv[1:]
balances = {}
with KurrentDBClient(url) as client:
    streams = {"filter_include": ["account-", "transfer-"], "filter_by_stream_name": True, "filter_by_prefix": True}
    for event in client.read_all(**streams):
        data, metadata = json.loads(event.data), json.loads(event.metadata)
        if metadata["$correlationId"] in transfers:
            print(event.commit_position, event.stream_name, event.stream_position, event.type)
        if event.type in SIGNS:
            before = balances.get(event.stream_name, Decimal())
            after = before + SIGNS[event.type] * Decimal(data["amount"]["amount"])
            if after != Decimal(data["balance_after"]["amount"]):
                sys.exit(f"{event.stream_name} at revision {event.stream_position} should have {after}: {data}")
            balances[event.stream_name] = after

for stream, balance in sorted(balances.items()):
    print(stream, balance)
