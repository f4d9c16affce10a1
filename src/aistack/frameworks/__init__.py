"""Layer 3, data processing and frameworks: text into shards, a model into operations and memory."""
