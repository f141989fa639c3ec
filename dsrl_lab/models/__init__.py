"""The kit's networks by name: three plain dictionaries, name -> class."""

from __future__ import annotations
