"""Part 2: how many chips become one machine."""
