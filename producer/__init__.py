"""The long-running program: feed, journal, packs, Firehose. Read its files in the order ARCHITECTURE.md lists them."""
