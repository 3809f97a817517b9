"""`python -m subscriber`."""

from subscriber.cli import main

if __name__ == "__main__":
    main()
