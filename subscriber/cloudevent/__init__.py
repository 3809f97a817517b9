"""cloudevent."""
