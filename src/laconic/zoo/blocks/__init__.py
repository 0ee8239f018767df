"""What several papers build their networks of."""
