"""What every other package may use: errors, progress, the machine, threads and files."""
