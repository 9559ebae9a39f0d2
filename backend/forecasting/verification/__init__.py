"""Whether the pipeline is all there, and whether what it loaded is right."""
