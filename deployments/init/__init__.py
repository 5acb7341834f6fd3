"""What ``agent-report init`` does: it looks at a source, proposes a mapping, and writes the settings for it."""
