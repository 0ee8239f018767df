"""`python -m laconic`, for where the script `laconic` is not on the path."""

from laconic.cli.app import main

main()
