"""The model families: features, blocks, fitting, and the trained model as files."""
