"""The sample's agents, one file each: prompt, scenarios and the ways in which they fail."""
