"""Real text into training shards, one step a file; `pipeline.build` runs them all."""
