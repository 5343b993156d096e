from ssmtl.cli import main

main()
