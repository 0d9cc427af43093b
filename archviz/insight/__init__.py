"""What a model does: recorded, attributed, and painted on its figure or pictured by itself."""
