"""One module per outside thing. An adapter reads or writes; it decides nothing."""
