"""The patients, whom no other room knows: contract, source, features, slices, expectations."""
