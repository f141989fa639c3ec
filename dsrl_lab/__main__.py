"""``python -m dsrl_lab`` is the same as ``dsrl-lab``."""

from dsrl_lab.cli import main

if __name__ == "__main__":
    main()
