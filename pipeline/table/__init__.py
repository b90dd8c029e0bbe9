"""The patients: the data contract, where the files come from, how they are read and checked."""
