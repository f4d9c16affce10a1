"""The six stages of a dive, one module a layer; see `aistack.dive.stage` for what each must have."""
