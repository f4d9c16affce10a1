"""The text, by layer, with the modules that compute what it says."""
