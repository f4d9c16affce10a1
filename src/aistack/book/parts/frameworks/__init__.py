"""Part 3: data processing and frameworks."""
