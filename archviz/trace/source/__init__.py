"""What a user names → a module and what it is called with: loaded, constructed, guessed."""
