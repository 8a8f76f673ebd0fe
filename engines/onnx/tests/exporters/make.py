"""Exports models of many tools with random weights, each with what an independent reading says of one picture.

`make.py OUT [TOOL-OR-NAME…]`; what is there already is kept."""

import sys

import kit

TOOLS = ["of_ultralytics", "of_torchvision", "of_transformers", "of_others"]

if __name__ == "__main__":
    for tool in TOOLS:
        try:
            __import__(tool)
        except ImportError as error:
            print(f"{tool}: {error}", file=sys.stderr)
    kit.run(sys.argv[1], sys.argv[2:])
