"""One module for each kind of file that the stages write: its reader and its writer."""
