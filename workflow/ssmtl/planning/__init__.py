"""What Snakemake asks: paths, inputs, parameters and limits of every job."""
