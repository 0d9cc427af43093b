"""A model with its weights and an input for it, as a user names them."""
