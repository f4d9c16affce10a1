"""AI Stack DeepDive: the whole AI stack in six layers, to be read, asked and run."""

__version__ = "0.1.0"
