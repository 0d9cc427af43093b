"""What everything else stands on, without torch: graphs, scenes, geometry, text, plug-ins,
errors."""
