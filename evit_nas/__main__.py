"""`python -m evit_nas` is `evit-nas`."""

from evit_nas.cli.main import main

if __name__ == "__main__":
    main()
