"""What a pushed tag ships, step by step."""
