"""What happened, provably: the hash-chained log, receipts of answers, and replays of them."""
