"""Layer 0, the catalog: facts with their sources. Accelerators, links, systems, models, prices, energy, formats."""
