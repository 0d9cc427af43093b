"""The running model that methods ask: run, watched, targeted, given back as it was."""
