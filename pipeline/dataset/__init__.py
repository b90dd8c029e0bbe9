"""Data contracts: what a table must hold, every breach of it in words, its profile, its bytes."""
