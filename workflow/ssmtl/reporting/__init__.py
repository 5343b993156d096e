"""What a user looks at: figures, annotated video and the HTML report of a data set."""
