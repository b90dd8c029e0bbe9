"""What every room stands on: errors, records, names, settings, files, git, the command line."""
