"""The dive: real text through all six layers on this machine, prediction beside measurement at every step."""
